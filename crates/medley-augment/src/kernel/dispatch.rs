/// Compiles a function twice on x86-64, for any processor and for those with AVX2, and calls the better one.
///
/// Both do the same operations in the same order (the compiler may neither fuse a multiplication with an addition nor reorder
/// a sum), so the bits are the same: `portable` in the tests of this module turns the second one off to compare.
macro_rules! vectorised {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<const $flag:ident: bool>)? ($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name $(<const $flag: bool>)? ($($argument: $type),*) $(-> $result)? {
            #[allow(clippy::inline_always, clippy::too_many_arguments)]
            #[inline(always)]
            fn portable $(<const $flag: bool>)? ($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2")]
                fn avx2 $(<const $flag: bool>)? ($($argument: $type),*) $(-> $result)? {
                    portable $(::<$flag>)? ($($argument),*)
                }
                if $crate::kernel::dispatch::has_avx2() {
                    // SAFETY: the processor has what the function was compiled for.
                    #[allow(unsafe_code)]
                    return unsafe { avx2 $(::<$flag>)? ($($argument),*) };
                }
            }
            portable $(::<$flag>)? ($($argument),*)
        }
    };
}

#[cfg(all(target_arch = "x86_64", not(test)))]
#[inline]
pub(crate) fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(all(target_arch = "x86_64", test))]
pub(crate) fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2") && !testing::PORTABLE.get()
}

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;

    thread_local! {
        pub(super) static PORTABLE: Cell<bool> = const { Cell::new(false) };
    }

    /// The result of `work` without AVX2, and with it if there is one.
    pub(crate) fn both<T>(mut work: impl FnMut() -> T) -> [T; 2] {
        PORTABLE.set(true);
        let portable = work();
        PORTABLE.set(false);
        [portable, work()]
    }
}

/// Every kernel gives the same bits with and without AVX2.
#[cfg(test)]
mod tests {
    use medley_core::ImageShape;

    use super::testing::both;
    use crate::{Filter, Padding, Plan, Policy, PolicyConfig, Random, Rendered, Renderer};

    #[test]
    fn bits_do_not_depend_on_the_processor() {
        let steps = [
            "{ type = 'affine', degrees = 30.0, translate = 0.2, scale = [0.7, 1.3], shear = 9.0 }",
            "{ type = 'elastic', deviation = 0.05 }",
            "{ type = 'gamma', exponent = [0.3, 3.0] }",
            "{ type = 'contrast', amount = 0.9 }",
            "{ type = 'colour_jitter', brightness = 0.2, contrast = 0.2, saturation = 0.9, hue = 0.5 }",
            "{ type = 'gaussian_blur', deviation = [0.1, 2.0], probability = 1.0 }",
            "{ type = 'sharpness', factor = [0.0, 4.0], probability = 1.0 }",
            "{ type = 'gaussian_noise', deviation = [0.1, 0.3], probability = 1.0 }",
            "{ type = 'augmix' }",
        ];
        for step in steps {
            let config: PolicyConfig = toml::from_str(&format!("steps = [{step}]")).unwrap();
            let policy = Policy::new(&config).unwrap();
            for shape in [ImageShape::flat(28, 28, 3), ImageShape::flat(13, 17, 1), ImageShape::volume(5, 6, 7, 1)] {
                let mut random = Random::from_seed(4);
                let image: Vec<u8> = (0..shape.len()).map(|_| random.bits() as u8).collect();
                for (seed, (filter, padding)) in (0..).zip([
                    (Filter::Bilinear, Padding::Reflect),
                    (Filter::Bilinear, Padding::Zero),
                    (Filter::Bicubic, Padding::Reflect),
                    (Filter::Bicubic, Padding::Edge),
                ]) {
                    let mut plan = Plan::new(shape);
                    policy.draw(&mut Random::from_seed(seed), &mut plan);
                    let [portable, best] = both(|| match Renderer::default().render(&plan, filter, padding, &image) {
                        Rendered::Planes(planes) => planes.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
                        Rendered::Bytes(_) => Vec::new(),
                    });
                    assert!(portable == best && !best.is_empty(), "{step} on {shape}, {filter:?}, {padding:?}");
                }
            }
        }
    }
}
