use medley_onnx::Window;
use tch::{Device, Kind, Tensor};

use crate::{Activation, Context, ModelError};

/// The largest value of each window, along every spatial axis.
pub(crate) fn max_pool(
    x: &Activation,
    kernel: i64,
    stride: i64,
    padding: i64,
    context: &Context<'_>,
) -> Result<Activation, ModelError> {
    let x = match x {
        Activation::Tensor(x) => x,
        Activation::Traced(x) => {
            let axes = x.sides(2)?.len();
            let window = Window::cube(axes, kernel as usize, stride as usize, padding as usize);
            return x.then(|graph, x| graph.max_pool(x, &window));
        }
    };
    let y = if x.dim() == 4 {
        x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1; 2], false)?
    } else {
        x.f_max_pool3d([kernel; 3], [stride; 3], [padding; 3], [1; 3], false)?
    };
    if let Some(recorder) = context.recorder {
        recorder.window(x, &y, kernel, stride);
        recorder.keep(&y);
    }
    context.keep_level(&y, stride)?;
    Ok(y.into())
}

/// The mean of each square of `side` pixels; what is left over at the end counts nowhere.
pub(crate) fn mean_pool(x: &Activation, side: i64, context: &Context<'_>) -> Result<Activation, ModelError> {
    let x = match x {
        Activation::Tensor(x) => x,
        Activation::Traced(x) => {
            let window = Window::cube(x.sides(2)?.len(), side as usize, side as usize, 0);
            return x.then(|graph, x| graph.average_pool(x, &window));
        }
    };
    let y = x.f_avg_pool2d([side; 2], [side; 2], [0, 0], false, true, None)?;
    if let Some(recorder) = context.recorder {
        recorder.window(x, &y, side, side);
    }
    context.keep_level(&y, side)?;
    Ok(y.into())
}

/// `[N, C, H, W]` or `[N, C, D, H, W]` to `[N, C]` by the mean over space.
pub(crate) fn global_mean_pool(x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    context.keep_feature_map(x);
    match x {
        Activation::Tensor(x) => {
            let space: Vec<i64> = (2..x.dim() as i64).collect();
            Ok(x.f_mean_dim(space.as_slice(), false, None::<Kind>)?.into())
        }
        Activation::Traced(x) => x.then(|graph, x| {
            let mean = graph.global_average_pool(x)?;
            graph.flatten(&mean)
        }),
    }
}

/// `[N, C, H, W]` to `[N, C, 1, 1]` by the mean over space.
pub(crate) fn mean_over_space(x: &Activation) -> Result<Activation, ModelError> {
    match x {
        Activation::Tensor(x) => Ok(x.f_mean_dim([2_i64, 3].as_slice(), true, None::<Kind>)?.into()),
        Activation::Traced(x) => x.then(medley_onnx::GraphBuilder::global_average_pool),
    }
}

/// `[N, C, H, W]` to `[N, C]` by the largest value over space.
pub(crate) fn global_max_pool(x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    context.keep_feature_map(x);
    match x {
        Activation::Tensor(x) => Ok(x.f_adaptive_max_pool2d([1, 1])?.0.f_flatten(1, -1)?.into()),
        Activation::Traced(x) => x.then(|graph, x| {
            let largest = graph.global_max_pool(x)?;
            graph.flatten(&largest)
        }),
    }
}

/// `[N, C, H, W]` to `[N, C, side, side]` by means over windows that cover the image as evenly as whole pixels can,
/// `torch.nn.AdaptiveAvgPool2d`.
pub(crate) fn adaptive_mean_pool(x: &Activation, side: i64) -> Result<Activation, ModelError> {
    let x = match x {
        Activation::Tensor(x) => return Ok(x.f_adaptive_avg_pool2d([side; 2])?.into()),
        Activation::Traced(x) => x,
    };
    let space = x.sides(2)?;
    if space.iter().all(|&have| have == side as usize) {
        return Ok(Activation::Traced(x.clone()));
    }
    // ONNX has no such operator. Each axis for itself it is a product with the shares of pixels in windows.
    let rows = x.constant(&format!("windows_{side}_of_{}", space[0]), &shares(space[0] as i64, side)?)?;
    let columns = shares(space[1] as i64, side)?.f_transpose(0, 1)?;
    let columns = x.constant(&format!("windows_{side}_of_{}_columns", space[1]), &columns)?;
    x.then(|graph, x| {
        let narrow = graph.matmul(x, &columns)?;
        graph.matmul(&rows, &narrow)
    })
}

/// `[to, from]`: how much each of `from` pixels counts in each of `to` windows.
fn shares(from: i64, to: i64) -> Result<Tensor, ModelError> {
    let mut values = vec![0.0_f32; (from * to) as usize];
    for window in 0..to {
        let (start, end) = (window * from / to, ((window + 1) * from + to - 1) / to);
        for pixel in start..end {
            values[(window * from + pixel) as usize] = 1.0 / (end - start) as f32;
        }
    }
    Ok(Tensor::f_from_slice(&values)?.f_view([to, from])?.f_to_device(Device::Cpu)?)
}
