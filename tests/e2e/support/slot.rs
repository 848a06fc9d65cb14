//! How many clusters run at once.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

/// Two clusters at a time are what two cores carry. A test that has one gets its second one at once:
/// two such tests would wait for each other.
pub struct Slot;

static TAKEN: Mutex<u8> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

thread_local! {
    static HELD: Cell<u8> = const { Cell::new(0) };
}

impl Slot {
    pub fn take() -> Self {
        let held = HELD.get();
        let taken = TAKEN.lock().expect("no test panics while it holds this");
        *FREED
            .wait_while(taken, |taken| held == 0 && *taken >= 2)
            .expect("as above") += 1;
        HELD.set(held + 1);
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Ok(mut taken) = TAKEN.lock() {
            *taken -= 1;
        }
        HELD.set(HELD.get().saturating_sub(1));
        FREED.notify_one();
    }
}
