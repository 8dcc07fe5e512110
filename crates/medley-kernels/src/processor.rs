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
    /// AVX-512 with products of bfloat16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Processor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "DEFAULT",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "AVX512_BF16",
        }
    }
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
            let has_bf16 = std::is_x86_feature_detected!("avx512bf16") && std::is_x86_feature_detected!("avx512bw");
            return if has_bf16 { Processor::Avx512Bf16 } else { Processor::Avx512 };
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return Processor::Avx2;
        }
    }
    Processor::Any
}

/// Whether a test asks for what processors without a matrix unit do.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(crate) fn is_without_amx() -> bool {
    #[cfg(test)]
    return tests::WITHOUT_AMX.get();
    #[cfg(not(test))]
    false
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
                    Processor::Avx512 | Processor::Avx512Bf16 => return unsafe { avx512($($argument),*) },
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::cell::Cell;

    use crate::{Convolution, DirectConvolution, Filters, Geometry, Kernel, Number, bf16};

    thread_local! {
        pub(super) static PORTABLE: Cell<bool> = const { Cell::new(false) };
        pub(super) static WITHOUT_AMX: Cell<bool> = const { Cell::new(false) };
    }

    /// Output, gradient of the input and of the weight, on any processor and on this one.
    fn portable_and_best<N: Number + Default>(number: impl Fn(f32) -> N) -> [(Vec<N>, Vec<f32>); 2] {
        let layer = Convolution { images: 2, height: 5, width: 7, inputs: 32, outputs: 16, threads: 1 };
        let numbers = |len: usize| (0..len).map(|index| (index as f32 * 12.9898).sin());
        let images = |len: usize| numbers(len).map(&number).collect::<Vec<_>>();
        let (x, dy, w) = (images(2 * 5 * 7 * 32), images(2 * 5 * 7 * 16), numbers(32 * 16 * 9).collect::<Vec<_>>());
        // A matrix unit has no use for Winograd's algorithm.
        WITHOUT_AMX.set(true);
        [true, false].map(|portable| {
            PORTABLE.set(portable);
            let (mut y, mut dx, mut dw) =
                (vec![N::default(); dy.len()], vec![N::default(); x.len()], vec![0.0; w.len()]);
            layer.forward(&x, Kernel::contiguous(&w), None, &mut y).unwrap();
            layer.input_gradient(&dy, Kernel::contiguous(&w), &mut dx).unwrap();
            layer.weight_gradient(&x, &dy, &mut dw).unwrap();
            ([y, dx].concat(), dw)
        })
    }

    #[test]
    fn convolutions_as_they_are_written_are_nearly_the_same_on_any_processor() {
        let filters = vec![Filters { outputs: 32, kernel: [1, 3, 3], padding: [0, 1, 1] }];
        let geometry = Geometry { images: 5, size: [1, 5, 4], inputs: 16, filters, stride: 2, threads: 1 };
        let layer = DirectConvolution::new(geometry).unwrap();
        let numbers = |len: usize| (0..len).map(|index| (index as f32 * 12.9898).sin());
        let images = |len: usize| numbers(len).map(bf16::from_f32).collect::<Vec<_>>();
        let (x, dy, w) = (images(5 * 20 * 16), images(5 * 6 * 32), numbers(32 * 16 * 9).collect::<Vec<_>>());
        let [portable, without_amx, best] = [(true, true), (false, true), (false, false)].map(|(portable, without)| {
            PORTABLE.set(portable);
            WITHOUT_AMX.set(without);
            let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
            layer.forward(&x, Kernel::contiguous(&w), None, &mut y).unwrap();
            layer.input_gradient(&dy, Kernel::channels_last(&w), &mut dx).unwrap();
            layer.weight_gradient(&x, &dy, &mut dw).unwrap();
            ([y, dx].concat(), dw)
        });
        assert!(portable.1.iter().any(|&value| value != 0.0));
        agree(portable.clone(), without_amx);
        agree(portable, best);
    }

    /// Products are fused and added in one order everywhere.
    #[test]
    fn bits_of_fp32_do_not_depend_on_the_processor() {
        let [portable, best] = portable_and_best(|value| value);
        assert!(portable == best && portable.1.iter().any(|&value| value != 0.0));
    }

    /// Instructions for pairs add their products in an order of their own, and a sum may be rounded the other way.
    #[test]
    fn bfloat16_is_nearly_the_same_on_any_processor() {
        let [portable, best] = portable_and_best(bf16::from_f32);
        agree(portable, best);
    }

    /// Images and weights that differ by rounding at most.
    fn agree(portable: (Vec<bf16>, Vec<f32>), best: (Vec<bf16>, Vec<f32>)) {
        let flat = |(images, weights): (Vec<bf16>, Vec<f32>)| {
            images.into_iter().map(bf16::to_f32).chain(weights).collect::<Vec<f32>>()
        };
        let (portable, best) = (flat(portable), flat(best));
        let largest = best.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        for (a, b) in portable.iter().zip(&best) {
            assert!((a - b).abs() <= b.abs() / 128.0 + largest * 1e-4, "{a} and {b}");
        }
    }
}
