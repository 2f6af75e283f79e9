//! Random choices that can be made again: everything follows from one seed, which is printed when the
//! test fails and can be given by [`SEED_VARIABLE`].

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Environment variable with the seed of all random tests of a process: a decimal number.
pub const SEED_VARIABLE: &str = "FH_TEST_SEED";

/// A generator (`SplitMix64`, Steele, Lea and Flood 2014); good enough to choose faults, for nothing
/// that has to be secret.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// A generator with the seed of the environment, or any.
    ///
    /// # Panics
    /// When the variable is set and holds no number.
    #[must_use]
    pub fn new() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(text) => match text.parse() {
                Ok(seed) => seed,
                Err(error) => panic!("{SEED_VARIABLE}={text:?}: {error}"),
            },
            // The standard library's hasher is keyed by the system's randomness.
            Err(_) => RandomState::new().build_hasher().finish() >> 32,
        };
        Self::seeded(seed)
    }

    /// A generator with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The seed that it began with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator of its own for the thing of this number, whatever was drawn from this one so far:
    /// so threads and connections do not depend on each other's order.
    #[must_use]
    pub fn derived(&self, number: u64) -> Self {
        let mut derived = Self {
            seed: self.seed,
            state: self.seed ^ (number + 1).wrapping_mul(0xd134_2543_de82_ef95),
        };
        derived.next_u64();
        derived
    }

    /// A number of 64 bits, each as likely as any other.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(end);
        // The upper half of a product with a number below 2^64 is below that number.
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number below `end` of any magnitude: 1 to 9 is as likely as 10 to 99.
    pub fn magnitude_below(&mut self, end: u64) -> u64 {
        let bits = u64::from(u64::BITS - end.leading_zeros());
        let most = 1u64.checked_shl(u32::try_from(self.below(bits + 1)).unwrap_or(0));
        self.below(most.unwrap_or(end).min(end))
    }

    /// Whether something happens that happens in one of so many cases.
    pub fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(among.len() as u64)).unwrap_or(0);
        &among[index]
    }

    /// So many random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Random {
    #[expect(
        clippy::print_stderr,
        reason = "the seed belongs into the output of the test that fails"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to make the same choices again: {SEED_VARIABLE}={}",
                self.seed
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let draw = || {
            let mut random = Random::seeded(7);
            let derived = random.derived(3).next_u64();
            (random.next_u64(), random.bytes(5), derived)
        };
        assert_eq!(draw(), draw());
        assert_ne!(Random::seeded(7).next_u64(), Random::seeded(8).next_u64());
        let random = Random::seeded(7);
        assert_ne!(random.derived(0).next_u64(), random.derived(1).next_u64());
    }

    #[test]
    fn numbers_stay_below_their_end_and_reach_all_of_it() {
        let mut random = Random::seeded(1);
        let mut seen = [false; 7];
        for _ in 0..1000 {
            seen[usize::try_from(random.below(7)).unwrap()] = true;
            assert!(random.magnitude_below(1000) < 1000);
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.magnitude_below(0), 0);
        let small = (0..1000).filter(|_| random.magnitude_below(1 << 20) < 1 << 10);
        assert!((300..700).contains(&small.count()));
    }
}
