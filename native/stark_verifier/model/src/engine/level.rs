//! Which vector instructions the engine may use, found at run time.

/// A set of code paths; every level computes the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Level {
    /// Plain Rust, on any processor.
    Portable,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
    Avx512,
}

impl Level {
    /// The levels this processor can run, slowest first.
    pub fn available() -> Vec<Level> {
        let mut levels = vec![Level::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let narrow = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("fma");
            if narrow {
                levels.push(Level::Avx2);
            }
            let wide = narrow
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            if wide {
                levels.push(Level::Avx512);
            }
        }
        levels
    }

    /// The fastest level this processor can run.
    pub fn best() -> Level {
        Self::available().pop().unwrap_or(Level::Portable)
    }

    /// Whether this processor can run it: the safety condition of every vector function.
    pub(crate) fn is_available(self) -> bool {
        Self::available().contains(&self)
    }
}

/// Compiles one plain function for every level and calls the one asked for.
///
/// Safety of the calls inside: an engine is only ever made with a level that `Level::is_available` confirmed.
macro_rules! per_level {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name(level: $crate::engine::Level, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                #[target_feature(enable = "avx2,bmi2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                match level {
                    // SAFETY: the level was confirmed on this processor when the engine was made.
                    $crate::engine::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    // SAFETY: as above.
                    $crate::engine::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    $crate::engine::Level::Portable => {}
                }
            }
            let _ = level;
            body($($arg),*)
        }
    };
}
pub(crate) use per_level;
