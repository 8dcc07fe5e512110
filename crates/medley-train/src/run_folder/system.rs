//! What the standard library does not ask the system for.
#![allow(unsafe_code)]

use std::io;
use std::path::Path;

/// Bytes that this user can still write to the file system of a path.
#[cfg(unix)]
pub(super) fn free_bytes(path: &Path) -> io::Result<u64> {
    use std::ffi::CString;
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt as _;

    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a zero byte and `answer` is writable; both outlive the call, which keeps neither.
    let status = unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled the structure.
    let answer = unsafe { answer.assume_init() };
    // The types of the fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    Ok((answer.f_bavail as u64).saturating_mul(answer.f_frsize as u64))
}

/// Not asked on other systems.
#[cfg(not(unix))]
pub(super) fn free_bytes(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The name of this machine, for messages.
#[cfg(unix)]
pub(super) fn host_name() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the buffer is writable for the length given, and outlives the call.
    let status = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let name = String::from_utf8_lossy(&name[..end]);
    if status != 0 || name.is_empty() { "an unknown host".to_owned() } else { name.into_owned() }
}

/// Not asked on other systems.
#[cfg(not(unix))]
pub(super) fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "an unknown host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_answers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("missing")).is_err());
        assert!(free_bytes(Path::new("a\0b")).is_err());
        assert!(!host_name().is_empty());
    }
}
