//! Whether a rung works for given inputs in a given place: found out by doing it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::mount::{Mount, Namespaces};
use super::remove::remove_tree;
use super::rung::Rung;

/// Tries a rung in a directory that is empty and private; the error says why it does not work.
pub(super) fn probe(
    rung: Rung,
    inputs: &Path,
    scratch: &Path,
    namespaces: Namespaces,
) -> Result<(), String> {
    match rung {
        Rung::Overlay => probe_overlay(inputs, scratch, namespaces),
        Rung::Reflink => probe_reflink(inputs, scratch),
        Rung::Hardlink => probe_hardlink(scratch),
        Rung::Copy => Ok(()),
    }
}

fn said(doing: &str) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{doing}: {error}")
}

/// Whether who writes into a read-only file of his own is refused.
fn probe_hardlink(scratch: &Path) -> Result<(), String> {
    let path = scratch.join("read-only");
    let made = File::create(&path).and_then(|file| {
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions)
    });
    made.map_err(said("making a file"))?;
    match File::options().append(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(format!("opening a read-only file: {error}")),
        Ok(_) => {
            Err("this user may write into read-only files, as root may, and so into a copy that \
                      workspaces share"
                .to_owned())
        }
    }
}

#[cfg(target_os = "linux")]
fn probe_reflink(inputs: &Path, scratch: &Path) -> Result<(), String> {
    let there = scratch.join("source");
    // The inputs may be on another file system: a file of theirs is to be cloned.
    let first = fs::read_dir(inputs).ok().and_then(|mut entries| {
        entries.find_map(|entry| {
            let entry = entry.ok()?;
            entry.file_type().ok()?.is_file().then(|| entry.path())
        })
    });
    let source = if let Some(path) = first {
        path
    } else {
        let written = File::create(&there).and_then(|mut file| file.write_all(&[1; 4096]));
        written.map_err(said("making a file"))?;
        there
    };
    let source = File::open(source).map_err(said("opening a file"))?;
    let target = File::create(scratch.join("clone")).map_err(said("making a file"))?;
    rustix::fs::ioctl_ficlone(&target, &source)
        .map_err(|error| format!("the file system does not share blocks between files ({error})"))
}

#[cfg(not(target_os = "linux"))]
fn probe_reflink(_: &Path, _: &Path) -> Result<(), String> {
    Err("it is built for Linux alone".to_owned())
}

#[cfg(not(target_os = "linux"))]
fn probe_overlay(_: &Path, _: &Path, _: Namespaces) -> Result<(), String> {
    Err("it is a file system of Linux".to_owned())
}

/// Mounts an overlay in a child and writes in it.
#[cfg(target_os = "linux")]
fn probe_overlay(inputs: &Path, scratch: &Path, namespaces: Namespaces) -> Result<(), String> {
    use rustix::io::Errno;
    if namespaces == Namespaces::None {
        return Err("attempts have no mount namespace of their own".to_owned());
    }
    let place = scratch.join("overlay");
    let target = place.join("tree");
    for directory in
        [&place, &place.join(super::mount::UPPER), &place.join(super::mount::WORK), &target]
    {
        fs::create_dir(directory).map_err(said("making a directory"))?;
    }
    let mount = Mount::prepare(inputs, &place, &target, namespaces)
        .ok_or("the paths are longer than a mount takes")?;
    let tried = child::trial(mount, namespaces);
    remove_tree(&place).map_err(|error| error.to_string())?;
    match tried.raw_os_error().map(Errno::from_raw_os_error) {
        Some(child::WORKS) => Ok(()),
        Some(Errno::PERM | Errno::ACCESS) => {
            Err("the system lets this user mount nothing".to_owned())
        }
        _ => Err(format!("an overlay cannot be mounted: {tried}")),
    }
}

#[cfg(target_os = "linux")]
mod child {
    //! What the child of a probe does between fork and exec, which it never comes to.

    use std::io;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, unlinkat};
    use rustix::io::{Errno, write};
    use rustix::thread::UnshareFlags;

    use super::{Mount, Namespaces};

    /// By this error the child says that all went well: so it ends before it would start a program.
    pub(super) const WORKS: Errno = Errno::CANCELED;

    /// Tries a mount in a child and returns the error that it ended with.
    #[expect(
        unsafe_code,
        reason = "a namespace of one's own can be tried in another process alone"
    )]
    pub(super) fn trial(mount: Mount, namespaces: Namespaces) -> io::Error {
        let [user, group] =
            [rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()]
                .map(|id| format!("{id} {id} 1\n"));
        let mut command = Command::new("/proc/self/exe");
        let run =
            move || Err(attempt(&mount, namespaces, &user, &group).err().unwrap_or(WORKS).into());
        // SAFETY: the closure makes system calls with arguments that were made before the fork. It
        // allocates nothing, takes no lock, and touches no memory that another thread may be changing.
        unsafe { command.pre_exec(run) };
        match command.spawn() {
            Err(error) => error,
            Ok(mut child) => {
                // It does not come to this: the closure always fails.
                let _ = child.kill().and_then(|()| child.wait());
                io::Error::other("the child did not say how it went")
            }
        }
    }

    fn attempt(
        mount: &Mount,
        namespaces: Namespaces,
        user: &str,
        group: &str,
    ) -> Result<(), Errno> {
        unshare(namespaces)?;
        if namespaces == Namespaces::UserAndMount {
            tell(c"/proc/self/setgroups", "deny")?;
            tell(c"/proc/self/uid_map", user)?;
            tell(c"/proc/self/gid_map", group)?;
        }
        mount.enter()?;
        // A file and a directory come and go: so whiteouts and marks can be made, too.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        drop(openat(CWD, c".wtb-probe", flags, Mode::RWXU)?);
        unlinkat(CWD, c".wtb-probe", rustix::fs::AtFlags::empty())?;
        mkdirat(CWD, c".wtb-probe", Mode::RWXU)
    }

    #[expect(unsafe_code, reason = "descriptors could be unshared as well, which is not asked for")]
    fn unshare(namespaces: Namespaces) -> Result<(), Errno> {
        let flags = match namespaces {
            Namespaces::UserAndMount => UnshareFlags::NEWUSER | UnshareFlags::NEWNS,
            Namespaces::Mount | Namespaces::None => UnshareFlags::NEWNS,
        };
        // SAFETY: the table of descriptors stays shared, so no descriptor changes its meaning.
        unsafe { rustix::thread::unshare_unsafe(flags) }
    }

    fn tell(path: &std::ffi::CStr, text: &str) -> Result<(), Errno> {
        let file = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        write(file, text.as_bytes()).map(drop)
    }
}
