//! What happens when a page of a mapped file can no longer be read: the file was cut short under
//! the map, or its disk failed. No check can be made before every read, so the system tells by a
//! signal.

#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that [`exit_on_lost_page`] ended: `EX_IOERR` of `sysexits.h`.
pub const LOST_PAGE_EXIT_CODE: u8 = 74;

#[cfg(unix)]
const MESSAGE: &str = "error: a page of the model file could not be read: the file was cut short \
                       while it was in use, or its disk failed; replace model files by renaming, \
                       and start the program again\n";

/// From now on a lost page of a mapped file ends this process with [`LOST_PAGE_EXIT_CODE`] and a
/// line on standard error that begins with `error:`. Without this call the system ends it by
/// SIGBUS, without a word.
///
/// It sets the handler of that signal for the whole process, which is a decision of programs, not
/// of libraries. Where there is no such signal it does nothing.
///
/// # Errors
/// The system refused the handler.
pub fn exit_on_lost_page() -> std::io::Result<()> {
    #[cfg(unix)]
    install()?;
    Ok(())
}

#[cfg(unix)]
fn install() -> std::io::Result<()> {
    // SAFETY: all fields of a `sigaction` may be zero: no flag, no restorer, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int) = say_and_exit;
    action.sa_sigaction = handler as libc::sighandler_t;
    // On the alternate stack that threads have: the fault may have come deep in another.
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: `action` is initialised, and its handler has the signature that its flags promise.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Whether a thread is on its way out: several may lose a page at once, and one speaks for all.
#[cfg(unix)]
static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// Only calls that a signal handler may make.
#[cfg(unix)]
extern "C" fn say_and_exit(_: libc::c_int) {
    if IS_EXITING.swap(true, Ordering::Relaxed) {
        // Back to the same fault, until the process is gone.
        return;
    }
    // SAFETY: the pointer and the length are those of one string; `write` and `_exit` may be
    // called in signal handlers. That the message may not arrive changes nothing.
    unsafe {
        libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
        libc::_exit(LOST_PAGE_EXIT_CODE.into());
    }
}
