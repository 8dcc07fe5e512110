//! Compiling a function for several processors, and calling the one for this.

/// The instructions that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processor {
    /// What the compiler takes for granted.
    Any,
    /// AVX2 with fused multiplication and addition.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best there is here. The standard library remembers what it found.
pub(crate) fn processor() -> Processor {
    #[cfg(test)]
    if tests::PORTABLE.get() {
        return Processor::Any;
    }
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vl") {
            return Processor::Avx512;
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return Processor::Avx2;
        }
    }
    Processor::Any
}

/// Defines `fn name(arguments)` that calls `body::<ROWS>(arguments)`, compiled for each kind of processor. `ROWS` is the number of rows
/// of a product that its registers hold beside each other.
macro_rules! for_each_processor {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    $body::<6>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
                fn avx512($($argument: $type),*) {
                    $body::<12>($($argument),*);
                }
                use $crate::processor::{Processor, processor};
                match processor() {
                    // SAFETY: the processor has what the function was compiled for.
                    #[allow(unsafe_code, reason = "the processor was asked")]
                    Processor::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    #[allow(unsafe_code, reason = "the processor was asked")]
                    Processor::Avx2 => return unsafe { avx2($($argument),*) },
                    Processor::Any => {}
                }
            }
            $body::<6>($($argument),*);
        }
    };
}
pub(crate) use for_each_processor;

/// Products are fused and added in one order everywhere, so the processor does not change the bits.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::cell::Cell;

    use crate::{Convolution, Kernel};

    thread_local! {
        pub(super) static PORTABLE: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn bits_do_not_depend_on_the_processor() {
        let layer = Convolution { images: 2, height: 5, width: 7, inputs: 32, outputs: 16, threads: 1 };
        let numbers = |len: usize| (0..len).map(|index| (index as f32 * 12.9898).sin()).collect::<Vec<_>>();
        let (x, dy, w) = (numbers(2 * 5 * 7 * 32), numbers(2 * 5 * 7 * 16), numbers(32 * 16 * 9));
        let [portable, best] = [true, false].map(|portable| {
            PORTABLE.set(portable);
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            layer.forward(&x, Kernel::contiguous(&w, 32), None, &mut y).unwrap();
            layer.input_gradient(&dy, Kernel::contiguous(&w, 32), &mut dx).unwrap();
            layer.weight_gradient(&x, &dy, &mut dw).unwrap();
            [y, dx, dw].concat().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        });
        assert!(portable == best && portable.iter().any(|&bits| bits != 0));
    }
}
