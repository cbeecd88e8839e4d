//! [`Boot`]: the number of this start of a device's service.

/// Largest boot id that is believed: a reader in JavaScript must be able to tell it from the next one.
pub const MAX_BOOT_ID: u64 = (1 << 53) - 2;

/// Finds a boot id that is higher than any used before, even when the clock was set back.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    highest: u64,
}

impl Boot {
    /// The broker keeps a message of this boot. False: the number is absurd and not believed.
    pub fn saw(&mut self, boot_id: u64) -> bool {
        let believed = boot_id <= MAX_BOOT_ID;
        if believed {
            self.highest = self.highest.max(boot_id);
        }
        believed
    }

    /// The boot id: the larger of the time in Unix milliseconds and 1 + the highest seen.
    pub fn id(&self, unix_ms: u64) -> u64 {
        unix_ms.max(self.highest + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_even_when_the_clock_was_set_back() {
        let mut boot = Boot::default();
        assert_eq!(boot.id(1_000), 1_000);
        assert!(boot.saw(5_000) && boot.saw(4_000));
        assert_eq!(boot.id(1_000), 5_001);
        assert_eq!(boot.id(9_000), 9_000);
    }

    #[test]
    fn an_absurd_number_does_not_use_up_all_others() {
        let mut boot = Boot::default();
        assert!(!boot.saw(u64::MAX));
        assert_eq!(boot.id(1_000), 1_000);
    }
}
