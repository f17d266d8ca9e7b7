//! The overlay of a workspace, prepared as data and mounted by the process that is to see it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::Errno;

/// Which namespaces the processes of an execution are in, beside those of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespaces {
    /// None: workspaces cannot be mounted. So it is with attempts in threads of this process.
    None,
    /// A mount namespace: for root alone.
    Mount,
    /// A user namespace, and in it a mount namespace: for everybody, where the system allows it.
    UserAndMount,
}

/// The longest options that a mount takes, less the end of the text.
const OPTIONS_BYTES_MAX: usize = 4095;

/// An overlay that is ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    target: CString,
    options: CString,
    /// What the kernel leaves of a volatile overlay, lest it is mounted again after a crash of the system.
    left: [CString; 2],
}

impl Mount {
    /// Prepares an overlay over `lower`; `None` if the paths are longer than a mount takes.
    pub(super) fn prepare(
        lower: &Path,
        directory: &Path,
        target: &Path,
        namespaces: Namespaces,
    ) -> Option<Self> {
        let mut options = Vec::new();
        for (key, path) in [
            ("lowerdir=", lower),
            (",upperdir=", &directory.join(UPPER)),
            (",workdir=", &directory.join(WORK)),
        ] {
            options.extend_from_slice(key.as_bytes());
            push_escaped(&mut options, path.as_os_str().as_bytes());
        }
        // In a user namespace marks cannot be trusted ones, and the kernel refuses renames of
        // directories with the others.
        options.extend_from_slice(match namespaces {
            Namespaces::UserAndMount => b",userxattr".as_slice(),
            Namespaces::Mount | Namespaces::None => b",redirect_dir=on",
        });
        // A file without its data, which lies below, would look empty to a snapshot.
        options.extend_from_slice(b",metacopy=off");
        // Otherwise the kernel would write all that is dirty on the whole disk when the last process ends.
        options.extend_from_slice(b",volatile");
        if options.len() > OPTIONS_BYTES_MAX {
            return None;
        }
        let target = CString::new(target.as_os_str().as_bytes()).ok()?;
        let left = ["work/incompat/volatile/dirty", "work/incompat/volatile"]
            .map(|name| CString::new(directory.join(WORK).join(name).as_os_str().as_bytes()));
        let [file, volatile] = left;
        let left = [file.ok()?, volatile.ok()?];
        Some(Self { target, options: CString::new(options).ok()?, left })
    }

    /// Mounts the overlay, and makes its root the working directory. To be called once, in the process
    /// (or before it goes on to its program: in the child of a fork) that is to see the workspace,
    /// when it is in a mount namespace of its own.
    ///
    /// These are a few system calls, without allocation or locks. What is written is durable by snapshots
    /// alone: `fsync` in the workspace waits for no disk. The namespace's mounts are made
    /// private first, so that none of this is seen elsewhere. When the last process of the namespace
    /// ends, the mount is gone.
    #[cfg(target_os = "linux")]
    pub fn enter(&self) -> Result<(), Errno> {
        use rustix::fs::{AtFlags, CWD, unlinkat};
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        // What was mounted before, by a process of this system that has ended, can be relied on.
        let [file, directory] = &self.left;
        let _ = unlinkat(CWD, file.as_c_str(), AtFlags::empty());
        let _ = unlinkat(CWD, directory.as_c_str(), AtFlags::REMOVEDIR);
        mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(c"overlay", self.target.as_c_str(), c"overlay", flags, self.options.as_c_str())?;
        rustix::process::chdir(self.target.as_c_str())
    }

    /// Fails: there are no overlays here.
    #[cfg(not(target_os = "linux"))]
    pub fn enter(&self) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    /// Takes the overlay away again, also while files in it are open: what has them open keeps it.
    #[cfg(target_os = "linux")]
    pub fn leave(&self) -> Result<(), Errno> {
        rustix::mount::unmount(self.target.as_c_str(), rustix::mount::UnmountFlags::DETACH)
    }

    /// Fails: there are no overlays here.
    #[cfg(not(target_os = "linux"))]
    pub fn leave(&self) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    /// Returns the mount's options, as they are shown in `/proc/mounts` for example.
    pub fn options(&self) -> &std::ffi::CStr {
        &self.options
    }

    /// Returns it as bytes, for another process: see [`Mount::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let [file, directory] = &self.left;
        let parts = [&self.target, &self.options, file, directory];
        parts.map(CString::as_bytes_with_nul).concat()
    }

    /// Returns what [`Mount::to_bytes`] was called on; `None` for other bytes.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut part = || {
            let part = std::ffi::CStr::from_bytes_until_nul(bytes).ok()?;
            bytes = bytes.get(part.count_bytes() + 1..)?;
            Some(part.to_owned())
        };
        Some(Self { target: part()?, options: part()?, left: [part()?, part()?] })
    }
}

/// What is written in a workspace, and where the kernel prepares it.
pub(super) const UPPER: &str = "upper";
pub(super) const WORK: &str = "work";

/// Escapes what has a meaning in the options of an overlay.
fn push_escaped(options: &mut Vec<u8>, path: &[u8]) {
    for byte in path {
        if matches!(byte, b',' | b':' | b'\\') {
            options.push(b'\\');
        }
        options.push(*byte);
    }
}
