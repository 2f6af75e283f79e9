//! systemd: sockets that it opened for us (`LISTEN_FDS`, sd_listen_fds(3)), and telling it how we do
//! (`NOTIFY_SOCKET`, sd_notify(3)).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;

use fh_server::InheritedSocket;
use listenfd::ListenFd;

use crate::error::{CommandError, Status};
use crate::settings::{Environment, variables};

/// Who wants to be told.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: Option<OsString>,
}

impl ServiceManager {
    pub(super) fn from_environment(environment: &Environment) -> Self {
        Self {
            socket: environment
                .get(&variables::NOTIFY_SOCKET)
                .map(OsStr::to_owned),
        }
    }

    /// Tells the state, if somebody wants to know. That it cannot be told is no reason to stop.
    pub(super) fn notify(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, state.as_bytes()) {
            tracing::warn!(%error, "cannot tell the service manager");
        }
    }
}

fn send(socket: &OsStr, state: &[u8]) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    match socket.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            sender.send_to_addr(state, &address)?;
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
        None => {
            sender.send_to(state, socket)?;
        }
    }
    Ok(())
}

/// The listening sockets that this process was started with.
pub(super) fn inherited_sockets() -> Result<Vec<InheritedSocket>, CommandError> {
    let mut handed_over = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(handed_over.len());
    for index in 0..handed_over.len() {
        // A descriptor that is no TCP socket stays where it is, to be tried as the other kind.
        if let Ok(Some(listener)) = handed_over.take_tcp_listener(index) {
            sockets.push(InheritedSocket::Tcp(listener));
            continue;
        }
        let listener = handed_over.take_unix_listener(index).map_err(|error| {
            CommandError::new(Status::Failed, error).context(
                "a socket that the service manager handed over is neither TCP nor a Unix stream",
            )
        })?;
        sockets.extend(listener.map(InheritedSocket::Unix));
    }
    Ok(sockets)
}
