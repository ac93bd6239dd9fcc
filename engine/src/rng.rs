//! Named streams of randomness: every random number is a pure function of a seed and a path of
//! names and numbers.
//!
//! A [`Stream`] is a value, not a generator with hidden state:
//! `Seed(7).stream("pilot").at(epoch).at(example)` is the same stream wherever and whenever it is
//! written. So adding a layer, changing the attention or resuming a run moves nobody else's draws,
//! and a checkpoint has no generator to save. A [`Generator`] (PCG-64) is made from a stream on the
//! spot, used, and dropped.
//!
//! Uniform and normal numbers are derived here from the generator's 64-bit words, with logarithm
//! and cosine from `libm`, so that they are the same on every platform; the golden values in the
//! tests pin them.

use rand::rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of this seed called `name`.
    pub fn stream(self, name: &str) -> Stream {
        Stream {
            key: mix(self.0 ^ 0x6a09_e667_f3bc_c908),
        }
        .stream(name)
    }
}

/// A place in the tree of streams; see the module's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The child called `name`.
    pub fn stream(self, name: &str) -> Stream {
        // FNV-1a over the bytes, then mixed with the parent's key.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Stream {
            key: mix(self.key.rotate_left(23) ^ mix(hash)),
        }
    }

    /// The child with number `index`: an epoch, an example's id in its data set, a layer, a head.
    pub fn at(self, index: usize) -> Stream {
        Stream {
            key: mix(self.key.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ mix(index as u64)),
        }
    }

    /// A 64-bit number that stands for this stream: the key from which a dropout mask is
    /// regenerated.
    pub fn key(self) -> u64 {
        mix(self.key)
    }

    /// A fresh generator at the beginning of this stream.
    pub fn generator(self) -> Generator {
        Generator {
            words: Pcg64::seed_from_u64(self.key),
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit words that spreads
/// every input bit.
fn mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A PCG-64 generator and the few laws the project draws from.
pub struct Generator {
    words: Pcg64,
}

impl Generator {
    /// The next 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.words.next_u64()
    }

    /// Uniform on the open interval (0, 1): never 0, so that its logarithm is finite, and never 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Uniform on `0..bound`, without bias (Lemire 2019).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "below: there is no number below 0");
        let bound = bound as u64;
        let mut product = u128::from(self.word()) * u128::from(bound);
        if (product as u64) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.word()) * u128::from(bound);
            }
        }
        (product >> 64) as usize
    }

    /// Standard normal (Box-Muller; the second number of each pair is not kept, so that every call
    /// costs two words).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// A uniformly random order of `items` (Fisher-Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this test fails, every stored loss and every published seed has lost its meaning.
    #[test]
    fn streams_keep_their_golden_values() {
        let stream = Seed(42).stream("pilot").at(3).at(17);
        let mut generator = stream.generator();
        assert_eq!(stream.key(), 0x1e61_d4c0_232d_f18a);
        assert_eq!(generator.word(), 0x8ffb_f4f1_49dc_cfca);
        assert_eq!(generator.word(), 0x0498_7dc6_8cd0_fe65);
        assert_eq!(generator.uniform(), 0.1557973530103477);
        assert_eq!(generator.normal(), 0.5208188804982328);
        assert_eq!(generator.exponential(), 0.262804271015231);
        assert_eq!(generator.below(1000), 604);
        let mut order: Vec<usize> = (0..8).collect();
        generator.shuffle(&mut order);
        assert_eq!(order, [7, 4, 3, 0, 2, 5, 6, 1]);
    }

    #[test]
    fn neighbouring_paths_give_different_streams() {
        let seed = Seed(0);
        let keys = [
            seed.stream("a"),
            seed.stream("b"),
            Seed(1).stream("a"),
            seed.stream("a").at(0),
            seed.stream("a").at(1),
            seed.stream("a").at(0).at(1),
            seed.stream("a").at(1).at(0),
            seed.stream("a").stream("b"),
            seed.stream("ab"),
        ]
        .map(Stream::key);
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|b| a != b), "path {i} repeats a key");
        }
    }

    #[test]
    fn uniform_normal_exponential_and_below_have_their_moments() {
        let mut generator = Seed(1).stream("moments").generator();
        let n = 200_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..n {
                let x = draw();
                sum += x;
                squares += x * x;
            }
            let mean = sum / n as f64;
            (mean, squares / n as f64 - mean * mean)
        };
        // Four standard errors of each estimate.
        let close = |got: f64, want: f64, error: f64| {
            assert!((got - want).abs() < 4.0 * error, "{got} is not {want}")
        };
        let root = (n as f64).sqrt();
        let (mean, variance) = moments(&mut || generator.uniform());
        close(mean, 0.5, 0.289 / root);
        close(variance, 1.0 / 12.0, 0.0745 / root);
        let (mean, variance) = moments(&mut || generator.normal());
        close(mean, 0.0, 1.0 / root);
        close(variance, 1.0, 2f64.sqrt() / root);
        let (mean, variance) = moments(&mut || generator.exponential());
        close(mean, 1.0, 1.0 / root);
        close(variance, 1.0, 8f64.sqrt() / root);
        let (mean, variance) = moments(&mut || generator.below(7) as f64);
        close(mean, 3.0, 2.0 / root);
        close(variance, 4.0, 3.47 / root);
    }
}
