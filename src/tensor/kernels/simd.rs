//! Which instruction set to run on, decided once at run time: the widest that the machine has, or a narrower one that the
//! environment variable `DEMOTIC_SIMD` asks for (`avx2` or `portable`), to test and to compare.
//!
//! A loop is written once, as plain Rust in [`Kernel::run`], and compiled once for each instruction set: everything
//! in it is inlined into a function that has the set enabled, and vectorised there by the compiler. [`dispatch`]
//! calls the best one that the machine has. Loops that have to say what stays in a register use [`Vector`].

#![allow(unsafe_code)]

mod bytes;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use bytes::Bytes;
pub(crate) use vector::Vector;

use super::Real;

/// An instruction set, as seen by the arithmetic that is compiled for it.
pub(crate) trait Isa: Copy + Send + Sync + 'static {
    /// Whether the set has fused multiply-add.
    const FMA: bool;
    /// A register of `f32`.
    type F32: Vector;
    /// A register of bytes.
    type Bytes: Bytes;

    /// `a · b + c`, rounded once where the hardware can, twice elsewhere.
    #[inline(always)]
    fn mul_add<T: Real>(a: T, b: T, c: T) -> T {
        // Without the instruction, `mul_add` is a call into a slow library routine.
        if Self::FMA { a.mul_add(b, c) } else { a * b + c }
    }

    /// Runs a loop in a function that is compiled for the set.
    ///
    /// # Safety
    /// The processor must have the set.
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output;
}

/// What every processor of the target has: SSE2 on x86-64, NEON on 64-bit ARM.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// 256-bit vectors with fused multiply-add.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// 512-bit vectors (the F, BW, DQ and VL parts).
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

impl Isa for Portable {
    const FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    type F32 = [f32; 4];
    type Bytes = [u8; 32];

    /// Not inlined into each caller: the loop is compiled once, as the others are.
    #[inline(never)]
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for Avx2 {
    const FMA: bool = true;
    type F32 = std::arch::x86_64::__m256;
    type Bytes = std::arch::x86_64::__m256i;

    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for Avx512 {
    const FMA: bool = true;
    type F32 = std::arch::x86_64::__m512;
    type Bytes = std::arch::x86_64::__m256i;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt,popcnt,f16c")]
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }
}

/// A loop, with everything that it works on.
pub(crate) trait Kernel {
    type Output;

    /// Whether the loop is compiled for every instruction set, or only for that which all machines have, as it is for numbers
    /// ([`Real::WIDE`]) or work that do not gain enough to be worth their time to compile.
    const WIDE: bool = true;

    /// The loop itself. Implementations are `#[inline(always)]`, as is everything that they call for each element.
    fn run<I: Isa>(self) -> Self::Output;
}

/// The instruction sets that loops are compiled for, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    Portable = 1,
    #[cfg(target_arch = "x86_64")]
    Avx2 = 2,
    #[cfg(target_arch = "x86_64")]
    Avx512 = 3,
}

/// Runs a loop on the widest instruction set of the machine.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: `level` reports a set only if the processor and the operating system support all of its parts.
    unsafe {
        // Known when it is compiled: what is behind it then is not compiled at all.
        if !K::WIDE {
            return Portable::enter(kernel);
        }
        match level() {
            Level::Portable => Portable::enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::enter(kernel),
        }
    }
}

/// Runs a loop on 256-bit vectors at most: for loops that wait for memory, which a third copy would not make faster.
#[inline]
pub(crate) fn dispatch_to_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: as above; whatever has the wider set has this one.
    unsafe {
        match level() {
            Level::Portable => Portable::enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => Avx2::enter(kernel),
        }
    }
}

/// The widest instruction set of the machine, unless a narrower one was asked for.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
pub(crate) fn level() -> Level {
    use std::sync::atomic::{AtomicU8, Ordering};
    static LEVEL: AtomicU8 = AtomicU8::new(0);

    #[cfg(test)]
    if let Some(level) = tests::FORCED.get() {
        return level;
    }
    // Every thread finds the same value, so it does not matter who is first, or if several are.
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => {
            let level = wanted().map_or(detect(), |wanted| wanted.min(detect()));
            LEVEL.store(level as u8, Ordering::Relaxed);
            level
        }
    }
}

/// The only instruction set, on other processors and in Miri.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
pub(crate) fn level() -> Level {
    Level::Portable
}

/// What `DEMOTIC_SIMD` asks for.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[cold]
fn wanted() -> Option<Level> {
    let value = std::env::var_os("DEMOTIC_SIMD")?;
    match value.to_str() {
        Some("portable") => Some(Level::Portable),
        Some("avx2") => Some(Level::Avx2),
        Some("avx512" | "") => None,
        _ => {
            // Whoever mistypes it would measure something else than they think.
            eprintln!("DEMOTIC_SIMD={}: expected avx512, avx2 or portable; ignored", value.display());
            None
        }
    }
}

/// The widest instruction set of the machine.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[cold]
fn detect() -> Level {
    macro_rules! has {
        ($($feature:tt)*) => { $(is_x86_feature_detected!($feature))&&* };
    }
    if !has!("avx2" "fma" "bmi1" "bmi2" "lzcnt" "popcnt" "f16c") {
        Level::Portable
    } else if !has!("avx512f" "avx512bw" "avx512dq" "avx512vl") {
        Level::Avx2
    } else {
        Level::Avx512
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    thread_local! {
        /// Overrides what was detected, on one thread.
        pub(super) static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
    }

    /// Calls `f` once for each instruction set of the machine. Loops that `f` runs on its own thread use it.
    pub(crate) fn on_each_level(mut f: impl FnMut(Level)) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            if level <= wanted().map_or(detect(), |wanted| wanted.min(detect())) {
                FORCED.set(Some(level));
                f(level);
                FORCED.set(None);
            }
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        f(Level::Portable);
    }

    struct WhichIsa;

    impl Kernel for WhichIsa {
        type Output = bool;
        #[inline(always)]
        fn run<I: Isa>(self) -> bool {
            I::FMA
        }
    }

    #[test]
    fn dispatch_follows_the_level() {
        let mut seen = Vec::new();
        on_each_level(|level| {
            seen.push(level);
            let fma = level != Level::Portable || Portable::FMA;
            assert_eq!(dispatch(WhichIsa), fma);
        });
        assert_eq!(seen.first(), Some(&Level::Portable));
        assert_eq!(seen.last(), Some(&level()));
    }
}
