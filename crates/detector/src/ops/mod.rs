//! Convolutional networks in blocks of channels: a transform of tract's models, and the operators it puts in
//!
//! tract's own convolutions gather their input value by value and keep pictures channel by channel. Here the convolutional
//! part of a network keeps sixteen channels of a point side by side, from its first convolution to the last, so that
//! every operator reads and writes whole vector registers and nothing is rearranged in between. What the transform does
//! not know stays as it is and gets its input in the usual layout; where the processor has no suitable instructions, the
//! whole network stays as it is.
//!
//! [`rewrite`] decides, [`node`] puts kernels into tract, everything else computes. See
//! `docs/design/003-convolution-operators.md`.

mod activation;
mod conv;
mod depthwise;
mod lanes;
mod layout;
mod node;
mod pointwise;
mod pool;
mod product;
mod resample;
mod rewrite;
#[cfg(test)]
mod tests;
mod window;
mod winograd;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::SimplePlan;
use tract_onnx::tract_core::runtime::RunOptions;

use lanes::Processor;

/// Which operators compute a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operators {
    /// Those of this crate wherever they fit the network and the processor, tract's own for the rest.
    #[default]
    Fast,
    /// tract's own alone, to compare with.
    Stock,
}

/// Optimises a network.
pub(crate) fn optimise(network: InferenceModel, operators: Operators) -> TractResult<TypedModel> {
    let mut network = network.into_typed()?;
    if let (Operators::Fast, Some(processor)) = (operators, Processor::detect()) {
        network.prop_consts()?;
        network = rewrite::rewrite(&network, processor)?;
    }
    network.into_optimized()
}

/// Makes an optimised network ready to run.
pub(crate) fn runnable(network: TypedModel) -> TractResult<Arc<TypedRunnableModel>> {
    let plan = SimplePlan::build(network, &RunOptions::default())?;
    Ok(Arc::new(plan.with_turn_handler(node::Sessions)))
}
