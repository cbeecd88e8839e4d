//! Which nodes of a network are computed in blocks, and by what
//!
//! One pass over the network in the order of computation. A tensor is known by its usual form, by blocked parts, or by
//! both; the form that is missing is made when somebody asks for it. Concatenation and slicing of channels copy nothing:
//! they rearrange the list of parts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{DataFormat, LeakyRelu};
use tract_onnx::tract_core::ops::source::TypedSource;

use super::activation::Activation;
use super::conv::{self, Convolution, ThinConv};
use super::lanes::{BLOCK, Processor, blocks};
use super::layout::{Pack, Unpack};
use super::node::{Kernel, KernelNode};
use super::pointwise::Add;
use super::pool::{Pool, Summary};
use super::resample::{Resample, Side};
use super::window::Window;

/// Inputs of at most so many channels that are not blocked are convolved as they are.
const THIN: usize = 8;

/// Puts operators on blocks of channels wherever they fit.
pub(super) fn rewrite(source: &TypedModel, processor: Processor) -> TractResult<TypedModel> {
    let target = TypedModel { symbols: source.symbols.clone(), ..TypedModel::default() };
    let mut rewriter = Rewriter { source, target, processor, values: HashMap::new(), fused: HashSet::new() };
    for node in source.eval_order()? {
        if !rewriter.fused.contains(&node) {
            let node = source.node(node);
            rewriter.node(node).with_context(|| format!("rewriting {node}"))?;
        }
    }
    for input in source.input_outlets()? {
        if !rewriter.values.contains_key(input) {
            rewriter.copy(source.node(input.node))?;
        }
    }
    let plain = |outlets: &[OutletId], rewriter: &mut Rewriter| {
        outlets.iter().map(|outlet| rewriter.plain(*outlet)).collect::<TractResult<Vec<_>>>()
    };
    let inputs = plain(source.input_outlets()?, &mut rewriter)?;
    let outputs = plain(source.output_outlets()?, &mut rewriter)?;
    let mut target = rewriter.target;
    target.inputs = inputs;
    target.outputs = outputs;
    target.properties.clone_from(&source.properties);
    Ok(target)
}

/// Channels in a blocked tensor: they start with a block, and the rest of their last block is padding.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    outlet: OutletId,
    block: usize,
    channels: usize,
}

/// The forms in which a tensor of the source exists in the target.
#[derive(Debug, Default)]
struct Value {
    plain: Option<OutletId>,
    parts: Option<Vec<Part>>,
}

/// A tensor `[1, channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Picture {
    channels: usize,
    size: (usize, usize),
}

struct Rewriter<'a> {
    source: &'a TypedModel,
    target: TypedModel,
    processor: Processor,
    values: HashMap<OutletId, Value>,
    /// Nodes that an earlier one has computed along with itself.
    fused: HashSet<usize>,
}

impl<'a> Rewriter<'a> {
    fn node(&mut self, node: &TypedNode) -> TractResult<()> {
        let done = if let Some(op) = node.op_as::<Conv>() {
            self.convolution(node, op)?
        } else if !node.inputs.iter().any(|input| self.is_blocked(*input)) {
            false
        } else if let Some(op) = node.op_as::<TypedConcat>() {
            self.concatenation(node, op)?
        } else if let Some(op) = node.op_as::<Slice>() {
            self.slice(node, op)?
        } else if let Some(op) = node.op_as::<MaxPool>() {
            op.with_index_outputs.is_none() && self.pool(node, &op.pool_spec, Summary::Max)?
        } else if let Some(op) = node.op_as::<SumPool>() {
            self.sum_pool(node, op)?
        } else if let Some(op) = node.op_as::<TypedBinOp>() {
            let added = op.0.is::<math::Add>() && op.1.is_none() && self.addition(node)?;
            added || self.value_by_value(node)?
        } else if node.op_is::<ElementWiseOp>() {
            self.value_by_value(node)?
        } else if let Some(op) = node.op_as::<EinSum>() {
            self.linear_map(node, op)?
        } else {
            false
        };
        if done { Ok(()) } else { self.copy(node) }
    }

    /// Takes a node over as it is.
    fn copy(&mut self, node: &TypedNode) -> TractResult<()> {
        let outlets = if node.op_is::<TypedSource>() {
            tvec![self.target.add_source(&node.name, node.outputs[0].fact.clone())?]
        } else {
            let inputs =
                node.inputs.iter().map(|input| self.plain(*input)).collect::<TractResult<TVec<_>>>()?;
            self.target.wire_node(&node.name, node.op.clone(), &inputs)?
        };
        for (slot, plain) in outlets.into_iter().enumerate() {
            self.values.insert(OutletId::new(node.id, slot), Value { plain: Some(plain), parts: None });
        }
        Ok(())
    }

    fn is_blocked(&self, outlet: OutletId) -> bool {
        self.values.get(&outlet).is_some_and(|value| value.parts.is_some())
    }

    fn picture(&self, outlet: OutletId) -> TractResult<Option<Picture>> {
        let fact = self.source.outlet_fact(outlet)?;
        let shape = fact.shape.as_concrete().filter(|_| fact.datum_type == f32::datum_type());
        Ok(match shape {
            Some(&[1, channels, height, width]) if channels * height * width > 0 => {
                Some(Picture { channels, size: (height, width) })
            }
            _ => None,
        })
    }

    /// The usual form of a tensor.
    fn plain(&mut self, outlet: OutletId) -> TractResult<OutletId> {
        let value = self.values.get(&outlet).context("computed before it is used")?;
        if let Some(plain) = value.plain {
            return Ok(plain);
        }
        let parts = value.parts.clone().context("a tensor has one form at least")?;
        let Picture { channels, size } = self.picture(outlet)?.context("parts make a picture")?;
        let points = size.0 * size.1;
        let name = format!("{}.unpack", self.source.node(outlet.node).name);
        let kernel = Unpack { points, channels: parts.iter().map(|part| part.channels).collect() };
        let shape = tvec![1, channels, size.0, size.1];
        let plain = self.wire(name, kernel, &parts, points, shape, false)?;
        self.values.entry(outlet).or_default().plain = Some(plain);
        Ok(plain)
    }

    /// The blocked form of a picture.
    fn parts(&mut self, outlet: OutletId) -> TractResult<Vec<Part>> {
        let value = self.values.get(&outlet).context("computed before it is used")?;
        if let Some(parts) = &value.parts {
            return Ok(parts.clone());
        }
        let plain = value.plain.context("a tensor has one form at least")?;
        let Picture { channels, size } = self.picture(outlet)?.context("only pictures have blocks")?;
        let points = size.0 * size.1;
        let all = 0..channels * points;
        let node = self.kernel(Pack { points }, vec![all], blocked(channels, size), true);
        let name = format!("{}.pack", self.source.node(outlet.node).name);
        let parts =
            vec![Part { outlet: self.target.wire_node(name, node, &[plain])?[0], block: 0, channels }];
        self.values.entry(outlet).or_default().parts = Some(parts.clone());
        Ok(parts)
    }

    fn kernel(
        &self,
        kernel: impl Kernel,
        cuts: Vec<std::ops::Range<usize>>,
        shape: TVec<usize>,
        keep: bool,
    ) -> KernelNode {
        KernelNode { processor: self.processor, kernel: Arc::new(kernel), cuts, shape, keep }
    }

    /// Adds a kernel whose inputs are parts of `points` points.
    fn wire(
        &mut self,
        name: String,
        kernel: impl Kernel,
        parts: &[Part],
        points: usize,
        shape: TVec<usize>,
        keep: bool,
    ) -> TractResult<OutletId> {
        let cut = |part: &Part| {
            let start = part.block * points * BLOCK;
            start..start + blocks(part.channels) * points * BLOCK
        };
        let node = self.kernel(kernel, parts.iter().map(cut).collect(), shape, keep);
        let inputs: TVec<_> = parts.iter().map(|part| part.outlet).collect();
        Ok(self.target.wire_node(name, node, &inputs)?[0])
    }

    /// Adds a kernel that treats each block of its input by itself, and says that `outlet` is its result.
    fn by_block(
        &mut self,
        node: &TypedNode,
        kernel: impl Kernel,
        parts: &[Part],
        from: (usize, usize),
        to: (usize, usize),
        outlet: OutletId,
    ) -> TractResult<bool> {
        let mut shape = blocked(0, to);
        shape[0] = parts.iter().map(|part| blocks(part.channels)).sum();
        let wire = self.wire(node.name.clone(), kernel, parts, from.0 * from.1, shape, true)?;
        self.values.insert(outlet, Value { plain: None, parts: Some(in_a_row(wire, parts)) });
        Ok(true)
    }

    /// The values of a constant, also of one that waits to be cast.
    fn constant(&self, outlet: OutletId) -> TractResult<Option<Arc<Tensor>>> {
        if let Some(tensor) = &self.source.outlet_fact(outlet)?.konst {
            return Ok(Some(tensor.clone()));
        }
        let node = self.source.node(outlet.node);
        Ok(match (node.op_is::<Cast>(), node.inputs.first()) {
            (true, Some(input)) => self.source.outlet_fact(*input)?.konst.clone(),
            _ => None,
        })
    }

    fn floats(&self, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
        let Some(tensor) = self.constant(outlet)? else { return Ok(None) };
        let tensor = tensor.cast_to::<f32>()?;
        Ok(Some(tensor.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
    }

    /// The activation that alone uses `outlet`, and what it gives.
    fn activation(&mut self, mut outlet: OutletId) -> TractResult<(Activation, OutletId)> {
        let mut activation = Activation::Identity;
        while let Some((next, node)) = self.next_activation(outlet)? {
            activation = match (activation, next) {
                (Activation::Identity, next) => next,
                (Activation::Clip(low, high), Activation::Clip(other, cut))
                    if high == f32::INFINITY && other == f32::NEG_INFINITY && low <= cut =>
                {
                    Activation::Clip(low, cut)
                }
                _ => break,
            };
            self.fused.insert(node);
            outlet = node.into();
        }
        Ok((activation, outlet))
    }

    /// The largest-value pool that alone uses `outlet`, and what it gives.
    fn pool_after(&mut self, outlet: OutletId, from: Picture) -> TractResult<(Option<Pool>, OutletId)> {
        let Some(node) = self.only_user(outlet)? else { return Ok((None, outlet)) };
        let output = OutletId::new(node.id, 0);
        let op = node.op_as::<MaxPool>().filter(|op| op.with_index_outputs.is_none());
        let (Some(op), Some(to)) = (op, self.picture(output)?) else { return Ok((None, outlet)) };
        let Some(window) = window(&op.pool_spec, from.size, to.size) else { return Ok((None, outlet)) };
        // a window that lies in the margins alone takes rows from nowhere
        if !(0..to.size.0).all(|y| window.rows(y).next().is_some()) {
            return Ok((None, outlet));
        }
        self.fused.insert(node.id);
        Ok((Some(Pool { window, summary: Summary::Max }), output))
    }

    /// The node that uses `outlet`, if it is one and sees it alone.
    fn only_user(&self, outlet: OutletId) -> TractResult<Option<&'a TypedNode>> {
        let users = &self.source.node(outlet.node).outputs[outlet.slot].successors;
        let is_output = self.source.output_outlets()?.contains(&outlet);
        Ok(match users[..] {
            [user] if !is_output => Some(self.source.node(user.node)),
            _ => None,
        })
    }

    fn next_activation(&self, outlet: OutletId) -> TractResult<Option<(Activation, usize)>> {
        let Some(node) = self.only_user(outlet)? else { return Ok(None) };
        let found = if let Some(op) = node.op_as::<ElementWiseOp>() {
            let leaky = op.0.downcast_ref::<LeakyRelu>().map(|op| op.alpha);
            leaky.filter(|share| (0.0..=1.0).contains(share)).map(Activation::Leaky)
        } else if let Some(op) = node.op_as::<TypedBinOp>() {
            let [a, b] = node.inputs[..] else { return Ok(None) };
            let other = if a == outlet { b } else { a };
            let other = self.floats(other)?.filter(|values| values.len() == 1);
            match other {
                Some(limit) if op.0.is::<math::Max>() => Some(Activation::Clip(limit[0], f32::INFINITY)),
                Some(limit) if op.0.is::<math::Min>() => Some(Activation::Clip(f32::NEG_INFINITY, limit[0])),
                _ => None,
            }
        } else {
            None
        };
        Ok(found.map(|activation| (activation, node.id)))
    }

    fn convolution(&mut self, node: &TypedNode, op: &Conv) -> TractResult<bool> {
        let (input, output) = (node.inputs[0], OutletId::new(node.id, 0));
        let (Some(from), Some(to)) = (self.picture(input)?, self.picture(output)?) else { return Ok(false) };
        let Some(window) = window(&op.pool_spec, from.size, to.size) else { return Ok(false) };
        let depthwise = op.group == from.channels && op.group == to.channels && op.group > 1;
        if op.kernel_fmt != KernelFormat::OIHW || op.q_params.is_some() || (op.group != 1 && !depthwise) {
            return Ok(false);
        }
        let (Some(weights), Some(mut bias)) = (self.floats(node.inputs[1])?, self.floats(node.inputs[2])?)
        else {
            return Ok(false);
        };
        if bias.len() == 1 {
            bias = vec![bias[0]; to.channels];
        }
        let (activation, result) = self.activation(output)?;
        let of = |lanes| Convolution { window, weights: &weights, bias: &bias, lanes, activation };

        if !depthwise && from.channels <= THIN && !self.is_blocked(input) {
            let (input, offset) = self.offset(input, from)?;
            let input = self.plain(input)?;
            let (pool, result) = self.pool_after(result, to)?;
            let size = pool.as_ref().map_or(to.size, |pool| pool.window.output);
            let kernel = ThinConv::new(self.processor, of(vec![]), offset, pool);
            let cut = 0..from.channels * from.size.0 * from.size.1;
            let kernel = self.kernel(kernel, vec![cut], blocked(to.channels, size), true);
            let outlet = self.target.wire_node(&node.name, kernel, &[input])?[0];
            self.whole(result, outlet, to.channels);
            return Ok(true);
        }
        let parts = self.parts(input)?;
        let of = of(lanes(&parts));
        if depthwise {
            let kernel = conv::Conv::depthwise(of);
            return self.by_block(node, kernel, &parts, from.size, to.size, result);
        }
        let kernel = conv::Conv::new(self.processor, of);
        let shape = blocked(to.channels, to.size);
        let outlet = self.wire(node.name.clone(), kernel, &parts, from.size.0 * from.size.1, shape, true)?;
        self.whole(result, outlet, to.channels);
        Ok(true)
    }

    /// Says that a tensor is one blocked tensor.
    fn whole(&mut self, of: OutletId, outlet: OutletId, channels: usize) {
        let parts = Some(vec![Part { outlet, block: 0, channels }]);
        self.values.insert(of, Value { plain: None, parts });
    }

    /// Where a picture is another one plus a constant for each channel: that other one, and the constants.
    fn offset(&self, outlet: OutletId, picture: Picture) -> TractResult<(OutletId, Vec<f32>)> {
        let unchanged = (outlet, vec![0.0; picture.channels]);
        let node = self.source.node(outlet.node);
        let Some(op) = node.op_as::<TypedBinOp>().filter(|op| op.1.is_none()) else { return Ok(unchanged) };
        let sign = match () {
            () if op.0.is::<math::Add>() => 1.0,
            () if op.0.is::<math::Sub>() => -1.0,
            () => return Ok(unchanged),
        };
        let [input, constant] = node.inputs[..] else { return Ok(unchanged) };
        if self.picture(input)? != Some(picture) || self.is_blocked(input) {
            return Ok(unchanged);
        }
        let per_channel = [1, picture.channels, 1, 1];
        let Some(tensor) = self.constant(constant)?.filter(|tensor| tensor.shape() == per_channel) else {
            return Ok(unchanged);
        };
        let values = tensor.cast_to::<f32>()?;
        let values = values.try_as_plain_ram()?.as_slice::<f32>()?.iter().map(|value| sign * value).collect();
        Ok((input, values))
    }

    fn concatenation(&mut self, node: &TypedNode, op: &TypedConcat) -> TractResult<bool> {
        if op.axis != 1 || self.picture(node.id.into())?.is_none() {
            return Ok(false);
        }
        let mut parts = vec![];
        for input in &node.inputs {
            parts.extend(self.parts(*input)?);
        }
        self.values.insert(node.id.into(), Value { plain: None, parts: Some(parts) });
        Ok(true)
    }

    fn slice(&mut self, node: &TypedNode, op: &Slice) -> TractResult<bool> {
        let (Ok(start), Ok(end)) = (op.start.to_usize(), op.end.to_usize()) else { return Ok(false) };
        if op.axis != 1 || self.picture(node.id.into())?.is_none() {
            return Ok(false);
        }
        let (mut at, mut kept) = (0, vec![]);
        for part in self.parts(node.inputs[0])? {
            let (first, last) = (start.max(at), end.min(at + part.channels));
            if first < last {
                let skipped = first - at;
                if !skipped.is_multiple_of(BLOCK) {
                    return Ok(false);
                }
                kept.push(Part { block: part.block + skipped / BLOCK, channels: last - first, ..part });
            }
            at += part.channels;
        }
        self.values.insert(node.id.into(), Value { plain: None, parts: Some(kept) });
        Ok(true)
    }

    fn pool(&mut self, node: &TypedNode, spec: &PoolSpec, summary: Summary) -> TractResult<bool> {
        let (input, output) = (node.inputs[0], OutletId::new(node.id, 0));
        let (Some(from), Some(to)) = (self.picture(input)?, self.picture(output)?) else { return Ok(false) };
        let Some(window) = window(spec, from.size, to.size) else { return Ok(false) };
        let parts = self.parts(input)?;
        self.by_block(node, Pool { window, summary }, &parts, from.size, to.size, output)
    }

    fn sum_pool(&mut self, node: &TypedNode, op: &SumPool) -> TractResult<bool> {
        let summary = match (op.normalize, op.count_include_pad) {
            (false, _) => Summary::Sum,
            (true, false) => Summary::MeanInside,
            // windows that reach beyond the margins count otherwise
            (true, true) if matches!(op.pool_spec.padding, PaddingSpec::ExplicitOnnxPool(_, _, true)) => {
                return Ok(false);
            }
            (true, true) => Summary::MeanOfAll,
        };
        self.pool(node, &op.pool_spec, summary)
    }

    fn addition(&mut self, node: &TypedNode) -> TractResult<bool> {
        let output = OutletId::new(node.id, 0);
        let Some(picture) = self.picture(output)? else { return Ok(false) };
        let [a, b] = node.inputs[..] else { return Ok(false) };
        if self.picture(a)? != Some(picture) || self.picture(b)? != Some(picture) {
            return Ok(false);
        }
        let (a, b) = (self.parts(a)?, self.parts(b)?);
        if lanes(&a) != lanes(&b) {
            return Ok(false);
        }
        let points = picture.size.0 * picture.size.1;
        let (activation, result) = self.activation(output)?;
        let kernel = Add { first: starts(&a, points), second: starts(&b, points), activation };
        let inputs = [&a[..], &b].concat();
        let mut shape = blocked(0, picture.size);
        shape[0] = lanes(&a).len() / BLOCK;
        let wire = self.wire(node.name.clone(), kernel, &inputs, points, shape, true)?;
        self.values.insert(result, Value { plain: None, parts: Some(in_a_row(wire, &a)) });
        Ok(true)
    }

    /// tract's own operator, on blocks: what it does with a value does not depend on where that is.
    fn value_by_value(&mut self, node: &TypedNode) -> TractResult<bool> {
        let output = OutletId::new(node.id, 0);
        let Some(picture) = self.picture(output)? else { return Ok(false) };
        let mut inputs = vec![];
        for input in &node.inputs {
            if self.picture(*input)? != Some(picture) || !self.is_blocked(*input) {
                return Ok(false);
            }
            inputs.push(self.parts(*input)?);
        }
        let Some((first, others)) = inputs.split_first() else { return Ok(false) };
        // padding may become something that is no number, which no weight makes harmless again
        if first.iter().any(|part| !part.channels.is_multiple_of(BLOCK)) {
            return Ok(false);
        }
        let wanted = self.places(first)?;
        for other in others {
            if self.places(other)? != wanted {
                return Ok(false);
            }
        }
        let mut result = vec![];
        for (index, part) in first.iter().enumerate() {
            let outlets: TVec<_> = inputs.iter().map(|parts| parts[index].outlet).collect();
            let name = format!("{}.{index}", node.name);
            let outlet = self.target.wire_node(name, node.op.clone(), &outlets)?[0];
            result.push(Part { outlet, ..*part });
        }
        self.values.insert(output, Value { plain: None, parts: Some(result) });
        Ok(true)
    }

    /// Where in which kind of tensor each part is.
    fn places(&self, parts: &[Part]) -> TractResult<Vec<(usize, usize, ShapeFact)>> {
        let place = |part: &Part| {
            let fact = self.target.outlet_fact(part.outlet)?;
            Ok((part.block, part.channels, fact.shape.clone()))
        };
        parts.iter().map(place).collect()
    }

    /// A product with a constant matrix along the rows or columns of a picture.
    fn linear_map(&mut self, node: &TypedNode, op: &EinSum) -> TractResult<bool> {
        let output = OutletId::new(node.id, 0);
        let &[a, b] = &node.inputs[..] else { return Ok(false) };
        let slot = usize::from(self.is_blocked(b));
        let (input, matrix) = if slot == 0 { (a, b) } else { (b, a) };
        let (Some(from), Some(to)) = (self.picture(input)?, self.picture(output)?) else { return Ok(false) };
        let Some(tensor) = self.constant(matrix)?.filter(|tensor| tensor.rank() == 2) else {
            return Ok(false);
        };
        let Some((side, transposed)) = contraction(op, slot) else { return Ok(false) };
        let (inputs, outputs) = match side {
            Side::Rows => (from.size.0, to.size.0),
            Side::Columns => (from.size.1, to.size.1),
        };
        let tensor = tensor.cast_to::<f32>()?;
        let values = tensor.try_as_plain_ram()?.as_slice::<f32>()?;
        let value = |output, input| match transposed {
            true => values[input * outputs + output],
            false => values[output * inputs + input],
        };
        let sums = (0..outputs).map(|output| {
            let terms = (0..inputs).map(|input| (input, value(output, input)));
            terms.filter(|(_, weight)| *weight != 0.0).collect()
        });
        let kernel = Resample::new(side, from.size, sums.collect());
        let parts = self.parts(input)?;
        self.by_block(node, kernel, &parts, from.size, to.size, output)
    }
}

/// The shape of a blocked tensor.
fn blocked(channels: usize, size: (usize, usize)) -> TVec<usize> {
    tvec![blocks(channels), size.0, size.1, BLOCK]
}

/// Which channel each lane of each block holds, if any.
fn lanes(parts: &[Part]) -> Vec<Option<usize>> {
    let (mut lanes, mut first) = (vec![], 0);
    for part in parts {
        let channels = part.channels;
        lanes.extend((0..blocks(channels) * BLOCK).map(|lane| (lane < channels).then_some(first + lane)));
        first += channels;
    }
    lanes
}

/// The parts one after the other in `outlet`.
fn in_a_row(outlet: OutletId, parts: &[Part]) -> Vec<Part> {
    let mut block = 0;
    let place = |part: &Part| {
        let start = block;
        block += blocks(part.channels);
        Part { outlet, block: start, channels: part.channels }
    };
    parts.iter().map(place).collect()
}

/// Where the values of each part start when all are written one after the other.
fn starts(parts: &[Part], points: usize) -> Vec<usize> {
    let placed = in_a_row(OutletId::new(0, 0), parts);
    placed.iter().map(|part| part.block * points * BLOCK).collect()
}

/// The window of a convolution or pool over pictures of these sizes.
fn window(spec: &PoolSpec, input: (usize, usize), output: (usize, usize)) -> Option<Window> {
    let &[height, width] = &spec.kernel_shape[..] else { return None };
    let padding = spec.computed_padding(&[input.0, input.1]);
    (spec.data_format == DataFormat::NCHW).then(|| Window {
        input,
        output,
        kernel: (height, width),
        stride: (spec.stride(0), spec.stride(1)),
        dilation: (spec.dilation(0), spec.dilation(1)),
        pad: (padding[0].pad_before, padding[1].pad_before),
    })
}

/// Along which side an operator whose input `slot` is a picture multiplies with a matrix, and whether that has a row for
/// each input rather than for each output.
fn contraction(op: &EinSum, slot: usize) -> Option<(Side, bool)> {
    let (mut side, mut inner, mut outer) = (None, None, None);
    for axis in op.axes.iter_all_axes() {
        match (&axis.inputs[slot][..], &axis.inputs[1 - slot][..], &axis.outputs[0][..]) {
            (&[from], &[], &[to]) if from == to => {}
            (&[from @ (2 | 3)], &[row], &[]) => (side, inner) = (Some(from), Some(row)),
            (&[], &[row], &[to @ (2 | 3)]) => outer = Some((to, row)),
            _ => return None,
        }
    }
    let (side, inner, (to, _)) = (side?, inner?, outer?);
    let name = if side == 2 { Side::Rows } else { Side::Columns };
    (side == to).then_some((name, inner == 0))
}
