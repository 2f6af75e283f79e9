//! The memory bound: a server that takes nothing must not make the client read everything.

use std::sync::Arc;
use std::time::Duration;

use fh_api::PushLimits;

use super::server::{Fault, TestServer};
use super::store::{TestStore, noise};
use super::{Listener, client, flake, options};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_not_read_ahead_without_bound() {
    let mut store = TestStore::new();
    // Incompressible, so what is read stays as large; files with holes would not do.
    for index in 0..20 {
        store.add(&format!("large-{index}"), &noise(index, 10_000_000));
    }
    let limits = PushLimits {
        part_size: 2_000_000,
        batched_nar_size: 20_000,
        body_size: 3_000_000,
        nar_size: 1 << 40,
        log_size: 0,
    };
    let server = TestServer::with(limits, |_, path, _| {
        path.starts_with("/nars").then_some(Fault::Hang)
    })
    .await;
    let listener = Arc::new(Listener::default());
    let (client, closure) = (client(&server), store.closure());
    let (flake, options) = (flake(), options());
    let pushing = fh_client::push(&client, &flake, &closure, &options, listener.clone());
    // Until reading has come to rest.
    let mut last = 0;
    let at_rest = async {
        let mut quiet = 0;
        while quiet < 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = listener.heard().read;
            quiet = if now == last && now > 0 { quiet + 1 } else { 0 };
            last = now;
        }
    };
    tokio::select! {
        result = pushing => panic!("{result:?}"),
        () = at_rest => {}
    }
    assert!(last > 20_000_000, "{last}");
    assert!(last <= 104 << 20, "{last} bytes were read ahead");
    assert!(server.most_under_way() <= 8);
}
