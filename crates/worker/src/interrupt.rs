//! Ctrl-C.

use llama_arch::CancelFlag;

use crate::error::{Failure, Result};

/// Exit code of a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// From now on Ctrl-C sets `flag`, and ends the program if it is set already. To be called once.
pub(crate) fn cancel(flag: CancelFlag) -> Result<()> {
    ctrlc::set_handler(move || {
        if flag.is_cancelled() {
            std::process::exit(INTERRUPTED);
        }
        flag.cancel();
    })
    .map_err(|error| Failure::failed(format_args!("cannot handle Ctrl-C: {error}")))
}
