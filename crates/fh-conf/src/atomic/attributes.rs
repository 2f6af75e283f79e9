//! Access lists and other extended attributes of a file that is replaced.

use std::fs::File;
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};

use crate::regular;

/// Where Linux keeps the access list of a file.
const ACCESS_LIST: &str = "system.posix_acl_access";

/// The longest list of names, and the longest value, that Linux has.
const LONGEST: usize = 64 * 1024;

/// Copies the access list (where `access` says so), the security label and the user's own
/// attributes, as far as the system lets us: without them the file is still right, and file systems
/// without attributes are common.
pub(super) fn keep(from: &Path, to: &File, access: bool) {
    let Ok(Some(from)) = regular::open(from) else {
        return;
    };
    let from = from.into_file();
    let mut names = vec![0; LONGEST];
    let Ok(length) = flistxattr(&from, &mut names[..]) else {
        return;
    };
    let mut value = vec![0; LONGEST];
    let names = names[..length]
        .split(|&byte| byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok());
    for name in names {
        let wanted = if name == ACCESS_LIST {
            access
        } else {
            name.starts_with("user.") || name == "security.selinux"
        };
        if wanted && let Ok(length) = fgetxattr(&from, name, &mut value[..]) {
            let _ = fsetxattr(to, name, &value[..length], XattrFlags::empty());
        }
    }
}
