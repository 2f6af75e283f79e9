-- Logs may come after their push was committed: they are of the class that it was of.

-- Whether a builder began it. Only of pushes that are committed from the plan on is it asked for.
ALTER TABLE push ADD COLUMN builder INTEGER NOT NULL DEFAULT 0 CHECK (builder IN (0, 1));
