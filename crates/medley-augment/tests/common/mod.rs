//! What several tests use.

/// Every transform but `random_corruption`, which may draw JPEG compression, whose codec allocates.
pub(crate) const EVERYTHING: &str = "
steps = [
    { type = 'flip', axis = 'horizontal' },
    { type = 'dihedral' },
    { type = 'right_angle_turns' },
    { type = 'shift', pixels = 2 },
    { type = 'affine', degrees = 10.0, translate = 0.1, scale = [0.9, 1.1], shear = 5.0, probability = 0.8 },
    { type = 'elastic', deviation = 0.02, probability = 0.5 },
    { type = 'brightness', amount = 0.2 },
    { type = 'contrast', amount = 0.2 },
    { type = 'gamma', exponent = [0.8, 1.2] },
    { type = 'saturation', amount = 0.2 },
    { type = 'hue', turn = 0.1 },
    { type = 'colour_jitter', brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.05 },
    { type = 'channel_jitter', scale = 0.1, shift = 0.1 },
    { type = 'intensity', factor = [0.9, 1.0] },
    { type = 'gaussian_blur', deviation = [0.1, 1.5] },
    { type = 'sharpness', factor = [0.5, 2.0] },
    { type = 'gaussian_noise', deviation = [0.0, 0.1] },
    { type = 'poisson_noise', photons = [50.0, 500.0] },
    { type = 'speckle_noise', deviation = [0.0, 0.1] },
    { type = 'cutout', size = 6, fill = 'mean' },
    { type = 'random_erasing', fill = 'noise' },
    { type = 'rand_augment' },
    { type = 'trivial_augment' },
    { type = 'augmix' },
    { type = 'corruption', kind = 'defocus_blur', severity = 2 },
    { type = 'corruption', kind = 'motion_blur', severity = 2 },
    { type = 'corruption', kind = 'zoom_blur', severity = 2 },
    { type = 'corruption', kind = 'pixelate', severity = 2 },
    { type = 'corruption', kind = 'impulse_noise', severity = 2 },
    { type = 'corruption', kind = 'bubble', severity = 2 },
    { type = 'corruption', kind = 'stain_deposit', severity = 2 },
    { type = 'corruption', kind = 'characters', severity = 2 },
]
";
