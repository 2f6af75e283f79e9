complete --keep-order --exclusive --command fh --arguments "(FH_COMPLETE=fish fh -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
