//! Ctrl-C. A handler is set for every command: a program started in the background of a script
//! inherits that Ctrl-C is ignored.

use llama_arch::CancelFlag;

use crate::error::{Failure, Result};

/// Exit code of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// From now on Ctrl-C sets `flag`, and ends the program if it is set already. To be called once.
pub(crate) fn cancel(flag: CancelFlag) -> Result<()> {
    handle(move || {
        if flag.is_cancelled() {
            std::process::exit(INTERRUPTED);
        }
        flag.cancel();
    })
}

/// From now on Ctrl-C ends the program. To be called once.
pub(crate) fn end_at_once() -> Result<()> {
    handle(|| std::process::exit(INTERRUPTED))
}

fn handle(on_interrupt: impl FnMut() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(on_interrupt)
        .map_err(|error| Failure::failed(format_args!("cannot handle Ctrl-C: {error}")))
}
