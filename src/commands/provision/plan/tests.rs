//! The plan on values: a model of the server does what it says.

mod histories;
mod names;
mod problems;
mod told;
mod world;

/// Public keys of nobody here.
const KEYS: [&str; 2] = [
    "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
    "cache.example.org-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
];

/// The public key of the model of a server.
const SERVER_KEY: &str = "new-1:PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";
