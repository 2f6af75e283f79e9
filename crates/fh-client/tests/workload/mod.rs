//! Workload identities against servers on this machine that play the platforms and the fh server.

mod aws;
mod providers;
mod renewal;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use fh_client::workload::{
    Connections, Manner, Provider, Workload, WorkloadEnvironment, WorkloadSource,
};
use fh_client::{Client, Error};

use stage::Stage;

fn workload(provider: Provider, environment: WorkloadEnvironment) -> Workload {
    Workload::of(provider, &Arc::new(environment), &Connections::default())
}

fn nobody(server: &Stage) -> Client {
    builder(server).build().unwrap()
}

fn builder(server: &Stage) -> fh_client::ClientBuilder {
    Client::builder(&server.url())
        .unwrap()
        .retries(3)
        .first_retry_wait(Duration::from_millis(1))
        .proxies(false)
}

/// A client of the server with the workload's tokens.
fn client(server: &Stage, workload: Workload, manner: Manner) -> Client {
    let source = WorkloadSource::new(workload, &nobody(server), manner);
    builder(server)
        .token_source(Arc::new(source))
        .build()
        .unwrap()
}

/// What a person reads of a failure: the sentence, its causes, the advice.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\n  caused by: {error}"));
        cause = error.source();
    }
    if let Error::NoIdentity { advice, .. } = error {
        text.push_str(&format!("\n{advice}"));
    }
    text
}
