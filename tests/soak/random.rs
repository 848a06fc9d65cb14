//! Numbers that follow from a seed (splitmix64), so that a run can be repeated.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Whether something happens that has so many chances in a hundred.
    pub fn percent(&mut self, chances: u64) -> bool {
        self.between(0, 99) < chances
    }

    /// One of them, each as often as its weight says.
    pub fn pick<T: Copy>(&mut self, choices: impl Iterator<Item = (T, u64)> + Clone) -> T {
        let total = choices.clone().map(|(_, weight)| weight).sum();
        let mut left = self.between(1, total);
        for (choice, weight) in choices {
            if left <= weight {
                return choice;
            }
            left -= weight;
        }
        unreachable!("the weights were summed up over the same choices")
    }
}
