//! What depends on the CPU, decided at run time: the instruction sets that loops are compiled for, and which of two matrix
//! products computes.

use std::cell::Cell;
use std::fmt;
use std::sync::OnceLock;

/// An instruction set a loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What the compilation target guarantees.
    Portable,
    /// 256-bit vectors, and fused multiply-adds.
    Avx2,
    /// 512-bit vectors, and fused multiply-adds.
    Avx512,
}

thread_local!(static LIMIT: Cell<Level> = const { Cell::new(Level::Avx512) });

/// The widest instruction set this machine has.
#[inline]
pub fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        let limit = LIMIT.get();
        let fused = is_x86_feature_detected!("fma");
        if limit == Level::Avx512
            && fused
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Level::Avx512;
        }
        if limit >= Level::Avx2 && fused && is_x86_feature_detected!("avx2") {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Runs `work` on this thread with nothing wider than `limit`: for the tests that compare the
/// paths.
pub fn limited_to<R>(limit: Level, work: impl FnOnce() -> R) -> R {
    let before = LIMIT.replace(limit);
    let result = work();
    LIMIT.set(before);
    result
}

/// A product of `f32` matrices. There are two, which add in different orders; that of `f64` is always matrixmultiply's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// That of the crate of this name, on any CPU. Kinds of CPU differ by rounding.
    Matrixmultiply,
    /// The project's own (`kernel/product.rs`), faster on small and narrow matrices: needs AVX2 and FMA, or AVX-512, with
    /// the same bits on both.
    FixedOrder,
}

/// The product of this process, once it is known.
static PRODUCT: OnceLock<Product> = OnceLock::new();
thread_local!(static INSTEAD: Cell<Option<Product>> = const { Cell::new(None) });

impl Product {
    /// Both; the default first.
    pub const ALL: [Product; 2] = [Product::Matrixmultiply, Product::FixedOrder];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Product::Matrixmultiply => "matrixmultiply",
            Product::FixedOrder => "fixed-order",
        }
    }

    /// The product called `name`.
    ///
    /// # Errors
    /// If no product has this name; the message lists both.
    pub fn find(name: &str) -> Result<Product, ProductError> {
        let found = Self::ALL.into_iter().find(|product| product.name() == name);
        found.ok_or_else(|| ProductError::Unknown(name.to_string()))
    }

    /// Whether this CPU has the instructions for it.
    pub fn is_available(self) -> bool {
        self == Product::Matrixmultiply || level() > Level::Portable
    }

    /// The products that this CPU has the instructions for.
    pub fn available() -> impl Iterator<Item = Product> {
        Self::ALL
            .into_iter()
            .filter(|product| product.is_available())
    }

    /// The instructions that compute it in `f32` on this machine: "avx512", "avx2", "avx", "neon" or "portable". Nothing
    /// else rounds differently on another kind of CPU: the loops of [`mod@crate::lanes`] give the same bits everywhere.
    pub fn instructions(self) -> &'static str {
        match (self, level()) {
            (Product::Matrixmultiply, _) => matrixmultiply_instructions(),
            (Product::FixedOrder, Level::Avx512) => "avx512",
            (Product::FixedOrder, Level::Avx2) => "avx2",
            (Product::FixedOrder, Level::Portable) => "portable",
        }
    }

    /// Computes with it from now on, on all threads of this process.
    ///
    /// # Errors
    /// If this CPU lacks the instructions; or if the process has the other product already, because it was chosen or,
    /// being the default, has computed.
    pub fn choose(self) -> Result<(), ProductError> {
        if !self.is_available() {
            return Err(ProductError::Lacking(self));
        }
        match *PRODUCT.get_or_init(|| self) {
            chosen if chosen == self => Ok(()),
            chosen => Err(ProductError::Chosen {
                chosen,
                asked: self,
            }),
        }
    }

    /// The product of this thread. If none was chosen, the process has matrixmultiply's from this call on.
    #[inline]
    pub fn current() -> Product {
        let of_process = || *PRODUCT.get_or_init(|| Product::Matrixmultiply);
        INSTEAD.get().unwrap_or_else(of_process)
    }

    /// Runs `work` on this thread with this product whatever the process has: for the tests that compare the two.
    ///
    /// # Panics
    /// If this CPU lacks the instructions for it.
    pub fn within<R>(self, work: impl FnOnce() -> R) -> R {
        assert!(self.is_available(), "{}", ProductError::Lacking(self));
        let before = INSTEAD.replace(Some(self));
        let result = work();
        INSTEAD.set(before);
        result
    }
}

/// What matrixmultiply computes with. It has no function that says so: these are the conditions of its
/// `sgemm_kernel.rs`, in their order.
fn matrixmultiply_instructions() -> &'static str {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if allowed("avx512f") && is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        let fused = allowed("fma") && is_x86_feature_detected!("fma");
        if fused && allowed("avx2") && is_x86_feature_detected!("avx2") {
            return "avx2";
        }
        if allowed("avx") && is_x86_feature_detected!("avx") {
            return "avx";
        }
    }
    #[cfg(target_arch = "aarch64")]
    if allowed("neon") && std::arch::is_aarch64_feature_detected!("neon") {
        return "neon";
    }
    "portable"
}

/// Whether matrixmultiply may use these instructions. It reads MMTEST_FEATURE when it is built: a list of those that it
/// may use, all of them if there is none.
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
fn allowed(feature: &str) -> bool {
    let listed = option_env!("MMTEST_FEATURE").unwrap_or("");
    listed.is_empty() || listed.split(',').any(|one| one == feature)
}

/// Why a product cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductError {
    /// No product has this name.
    Unknown(String),
    /// This CPU lacks the instructions for it.
    Lacking(Product),
    /// The process has the other product already.
    Chosen {
        /// The one it has.
        chosen: Product,
        /// The one that was asked for.
        asked: Product,
    },
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = Product::ALL.map(Product::name);
        match self {
            ProductError::Unknown(name) => {
                write!(f, "unknown product `{name}`: expected {first} or {second}")
            }
            ProductError::Lacking(product) => write!(
                f,
                "this CPU lacks what the product {} needs: expected AVX2 and FMA, or AVX-512",
                product.name()
            ),
            ProductError::Chosen { chosen, asked } => write!(
                f,
                "this process computes with the product {} already: expected the same, not {}",
                chosen.name(),
                asked.name()
            ),
        }
    }
}

impl std::error::Error for ProductError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_a_process_is_chosen_once() {
        // Other tests of this process have the default.
        Product::Matrixmultiply.choose().unwrap();
        assert_eq!(Product::current(), Product::Matrixmultiply);
        Product::Matrixmultiply.choose().unwrap();
        if Product::FixedOrder.is_available() {
            let error = Product::FixedOrder.choose().unwrap_err();
            let (chosen, asked) = (Product::Matrixmultiply, Product::FixedOrder);
            assert_eq!(error, ProductError::Chosen { chosen, asked });
            let inside = Product::FixedOrder.within(Product::current);
            assert_eq!(inside, Product::FixedOrder);
        }
        assert_eq!(Product::current(), Product::Matrixmultiply);
    }

    #[test]
    fn a_cpu_that_lacks_a_product_says_what_it_needs() {
        let error = limited_to(Level::Portable, || Product::FixedOrder.choose());
        let told = error.unwrap_err().to_string();
        assert!(
            told.ends_with("expected AVX2 and FMA, or AVX-512"),
            "{told}"
        );
    }

    #[test]
    fn a_product_is_found_by_its_name() {
        for product in Product::ALL {
            assert_eq!(Product::find(product.name()), Ok(product));
        }
        let told = Product::find("small-gemm").unwrap_err().to_string();
        let expected = "unknown product `small-gemm`: expected matrixmultiply or fixed-order";
        assert_eq!(told, expected);
    }
}
