//! Every kernel computes what tract's operator computes, whatever the sizes, on every processor there is to test with

use proptest::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Slice, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{DataFormat, leaky_relu, sigmoid};

use super::lanes::Processor;
use super::{rewrite, runnable};

/// A network under construction, with pseudo-random constants.
struct Network {
    model: TypedModel,
    random: u64,
}

/// A size or step in both directions.
type Pair = (usize, usize);

#[derive(Clone, Copy, Debug)]
struct Shape {
    size: Pair,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    /// Above, left, below, right.
    pad: (usize, usize, usize, usize),
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    Leaky(f32),
    Relu,
    Relu6,
}

impl Network {
    /// A network whose input is a picture.
    fn new(channels: usize, size: Pair) -> (Self, OutletId) {
        let mut model = TypedModel::default();
        let input = model.add_source("input", f32::fact([1, channels, size.0, size.1])).unwrap();
        (Self { model, random: 1 }, input)
    }

    fn random(&mut self, shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (self.random >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect();
        Tensor::from_shape(shape, &values).unwrap()
    }

    fn name(&self, what: &str) -> String {
        format!("{what}.{}", self.model.nodes.len())
    }

    fn constant(&mut self, shape: &[usize]) -> OutletId {
        let tensor = self.random(shape);
        self.model.add_const(self.name("constant"), tensor).unwrap()
    }

    fn wire(&mut self, op: impl Into<Box<dyn TypedOp>>, inputs: &[OutletId]) -> OutletId {
        let op = op.into();
        let name = self.name(&op.name());
        self.model.wire_node(name, op, inputs).unwrap()[0]
    }

    fn channels(&self, of: OutletId) -> usize {
        self.model.outlet_fact(of).unwrap().shape[1].to_usize().unwrap()
    }

    fn size(&self, of: OutletId) -> Pair {
        let shape = self.model.outlet_fact(of).unwrap().shape.as_concrete().unwrap();
        (shape[2], shape[3])
    }

    fn conv(&mut self, input: OutletId, outputs: usize, group: usize, shape: Shape) -> OutletId {
        let inputs = self.channels(input);
        let weights = self.constant(&[outputs, inputs / group, shape.kernel.0, shape.kernel.1]);
        let bias = self.constant(&[outputs]);
        let op = Conv::new(pool_spec(inputs, outputs, shape), KernelFormat::OIHW, group, None);
        self.wire(op, &[input, weights, bias])
    }

    /// A convolution that gives blocks.
    fn pointwise(&mut self, input: OutletId, outputs: usize) -> OutletId {
        let size = self.size(input);
        let (kernel, pad) = ((1, 1), (0, 0, 0, 0));
        self.conv(input, outputs, 1, Shape { size, kernel, stride: (1, 1), dilation: (1, 1), pad })
    }

    fn then(&mut self, then: Then, input: OutletId) -> OutletId {
        let mut limit = |op: TypedBinOp, input, limit: f32| {
            let name = self.name("limit");
            let limit = self.model.add_const(name, tensor4(&[[[[limit]]]])).unwrap();
            self.wire(op, &[input, limit])
        };
        match then {
            Then::Nothing => input,
            Then::Leaky(share) => self.wire(leaky_relu(share), &[input]),
            Then::Relu => limit(math::max(), input, 0.0),
            Then::Relu6 => {
                let input = limit(math::max(), input, 0.0);
                limit(math::min(), input, 6.0)
            }
        }
    }

    /// Compares with tract's own operators, and returns the names of all operators.
    fn check(self, outputs: &[OutletId]) -> Vec<String> {
        self.check_within(1e-5, outputs)
    }

    /// As [`check`](Self::check), with the largest error as a share of the largest value.
    fn check_within(mut self, error: f32, outputs: &[OutletId]) -> Vec<String> {
        self.model.select_output_outlets(outputs).unwrap();
        let shape = self.model.input_fact(0).unwrap().shape.as_concrete().unwrap().to_vec();
        let inputs = [self.random(&shape), self.random(&shape)].map(Arc::new);
        let run = |plan: &Arc<TypedRunnableModel>| {
            let mut state = plan.spawn().unwrap();
            // the second run uses the first one's memory again
            inputs.each_ref().map(|input| state.run(tvec![TValue::from_const(input.clone())]).unwrap())
        };
        let expected = run(&self.model.clone().into_optimized().unwrap().into_runnable().unwrap());
        let mut names = vec![];
        for processor in Processor::available().into_iter().chain([Processor::Portable(pulp::Scalar128b)]) {
            let fast = rewrite::rewrite(&self.model, processor).unwrap();
            names = fast.nodes.iter().map(|node| node.op.name().to_string()).collect();
            let found = run(&runnable(fast.into_optimized().unwrap()).unwrap());
            for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
                assert_eq!(expected.shape(), found.shape());
                let [expected, found] =
                    [expected, found].map(|t| t.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap());
                let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
                for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                    // the mean of a window that lies in the padding is no number
                    let same = expected.is_nan() && found.is_nan();
                    let close = (expected - found).abs() <= error * scale;
                    assert!(
                        same || close,
                        "{found} instead of {expected} at {at} by {processor:?}: {names:?}"
                    );
                }
            }
        }
        names
    }
}

fn pool_spec(inputs: usize, outputs: usize, shape: Shape) -> PoolSpec {
    let (top, left, bottom, right) = shape.pad;
    PoolSpec {
        data_format: DataFormat::NCHW,
        kernel_shape: tvec![shape.kernel.0, shape.kernel.1],
        padding: PaddingSpec::Explicit(tvec![top, left], tvec![bottom, right]),
        dilations: Some(tvec![shape.dilation.0, shape.dilation.1]),
        strides: Some(tvec![shape.stride.0, shape.stride.1]),
        input_channels: inputs,
        output_channels: outputs,
    }
}

fn pair(range: std::ops::Range<usize>) -> impl Strategy<Value = Pair> {
    (range.clone(), range)
}

/// Windows that fit at least once into their picture.
fn shapes() -> impl Strategy<Value = Shape> {
    (pair(1..20), pair(1..6), pair(1..4), pair(1..3), (0..3usize, 0..3usize, 0..3usize, 0..3usize))
        .prop_map(|(size, kernel, stride, dilation, pad)| Shape { size, kernel, stride, dilation, pad })
        .prop_filter("the window is larger than the picture", |shape| {
            let Shape { size, kernel, dilation, pad, .. } = shape;
            size.0 + pad.0 + pad.2 > (kernel.0 - 1) * dilation.0
                && size.1 + pad.1 + pad.3 > (kernel.1 - 1) * dilation.1
        })
}

fn activations() -> impl Strategy<Value = Then> {
    prop_oneof![Just(Then::Nothing), (0.0f32..1.0).prop_map(Then::Leaky), Just(Then::Relu), Just(Then::Relu6),]
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_of_a_picture(shape in shapes(), inputs in 1..9usize, outputs in 1..40usize, then in activations()) {
        let (mut network, input) = Network::new(inputs, shape.size);
        let output = network.conv(input, outputs, 1, shape);
        let output = network.then(then, output);
        let names = network.check(&[output]);
        prop_assert!(has(&names, "BlockedConvThin"));
    }

    #[test]
    fn convolutions_of_a_picture_before_a_pool(
        shape in shapes(), pool in (pair(1..4), pair(1..4)), inputs in 1..9usize, outputs in 1..40usize,
    ) {
        let (mut network, input) = Network::new(inputs, shape.size);
        let conv = network.conv(input, outputs, 1, shape);
        let size = network.size(conv);
        let pad = |kernel: usize| (kernel - 1) / 2;
        let pad = (pad(pool.0.0), pad(pool.0.1), pad(pool.0.0), pad(pool.0.1));
        let shape = Shape { size, kernel: pool.0, stride: pool.1, dilation: (1, 1), pad };
        prop_assume!(size.0 + 2 * pad.0 >= pool.0.0 && size.1 + 2 * pad.1 >= pool.0.1);
        let output = network.wire(MaxPool::new(pool_spec(outputs, outputs, shape), None), &[conv]);
        let names = network.check(&[output]);
        prop_assert!(has(&names, "BlockedConvThinPool"));
    }

    #[test]
    fn convolutions_of_blocks(shape in shapes(), inputs in 1..40usize, outputs in 1..40usize, then in activations()) {
        let (mut network, input) = Network::new(3, shape.size);
        let input = network.pointwise(input, inputs);
        let output = network.conv(input, outputs, 1, shape);
        let output = network.then(then, output);
        let names = network.check(&[output]);
        prop_assert!(names.iter().filter(|name| name.starts_with("BlockedConv")).count() == 2);
    }

    #[test]
    fn winograd_convolutions(
        size in pair(3..34), pad in (0..3usize, 0..3usize, 0..3usize, 0..3usize),
        inputs in 1..40usize, outputs in 1..40usize, then in activations(),
    ) {
        let shape = Shape { size, kernel: (3, 3), stride: (1, 1), dilation: (1, 1), pad };
        let (mut network, input) = Network::new(3, size);
        let input = network.pointwise(input, inputs);
        let output = network.conv(input, outputs, 1, shape);
        let output = network.then(then, output);
        // minimal filtering rounds more, and what is cut off at six was larger before
        network.check_within(1e-4, &[output]);
    }

    #[test]
    fn convolutions_of_single_channels(shape in shapes(), channels in 2..40usize, then in activations()) {
        let (mut network, input) = Network::new(3, shape.size);
        let input = network.pointwise(input, channels);
        let output = network.conv(input, channels, channels, shape);
        let output = network.then(then, output);
        let names = network.check(&[output]);
        prop_assert!(has(&names, "BlockedConvDepthwise"));
    }

    #[test]
    fn pools(shape in shapes(), channels in 1..40usize, kind in 0..4usize) {
        // a window that lies in the margins alone has no largest value
        let Shape { kernel, dilation, pad, .. } = shape;
        let most = |margin: usize, kernel: usize, dilation: usize| margin.min((kernel - 1) * dilation / 2);
        let pad = (
            most(pad.0, kernel.0, dilation.0),
            most(pad.1, kernel.1, dilation.1),
            most(pad.2, kernel.0, dilation.0),
            most(pad.3, kernel.1, dilation.1),
        );
        let fits = shape.size.0 + pad.0 + pad.2 > (kernel.0 - 1) * dilation.0
            && shape.size.1 + pad.1 + pad.3 > (kernel.1 - 1) * dilation.1;
        prop_assume!(fits);
        let (mut network, input) = Network::new(3, shape.size);
        let input = network.pointwise(input, channels);
        let spec = pool_spec(channels, channels, Shape { pad, ..shape });
        let output = match kind {
            0 => network.wire(MaxPool::new(spec, None), &[input]),
            1 => network.wire(SumPool::new(spec, false, false), &[input]),
            2 => network.wire(SumPool::new(spec, false, true), &[input]),
            _ => network.wire(SumPool::new(spec, true, true), &[input]),
        };
        // the convolution keeps its own result, or it would do the pool as well
        let names = network.check(&[output, input]);
        prop_assert!(has(&names, "BlockedPool"));
    }

    #[test]
    fn concatenation_slicing_and_addition(
        size in pair(1..8), a in 1..40usize, b in 1..40usize, c in 1..40usize, then in activations(),
    ) {
        let (mut network, input) = Network::new(3, size);
        let [left, middle, right] = [a, b, c].map(|channels| network.pointwise(input, channels));
        let joined = network.wire(TypedConcat::new(1), &[left, middle, right]);
        let again = network.wire(TypedConcat::new(1), &[middle, right]);
        let slice = network.wire(Slice::new(1, a, a + b + c), &[joined]);
        let sum = network.wire(math::add(), &[slice, again]);
        let sum = network.then(then, sum);
        let output = network.pointwise(joined, 5);
        let names = network.check(&[output, sum, again]);
        prop_assert!(has(&names, "BlockedAdd") && !has(&names, "Concat") && !has(&names, "Slice"));
    }

    #[test]
    fn slices_within_blocks(size in pair(1..5), channels in 2..70usize, start in 0..70usize, len in 1..70usize) {
        let start = start % channels;
        let end = (start + len).min(channels);
        let (mut network, input) = Network::new(3, size);
        let input = network.pointwise(input, channels);
        let slice = network.wire(Slice::new(1, start, end), &[input]);
        let output = network.pointwise(slice, 20);
        network.check(&[output]);
    }

    #[test]
    fn products_with_matrices(size in pair(1..12), channels in 1..40usize, outputs in 1..12usize, kind in 0..4usize) {
        let (mut network, input) = Network::new(3, size);
        let input = network.pointwise(input, channels);
        let (shape, axes) = match kind {
            0 => ([size.1, outputs], "abmk,kn->abmn"),
            1 => ([outputs, size.1], "abmk,nk->abmn"),
            2 => ([outputs, size.0], "mk,abkn->abmn"),
            _ => ([size.0, outputs], "km,abkn->abmn"),
        };
        let matrix = network.constant(&shape);
        let op = EinSum { axes: axes.parse().unwrap(), operating_dt: f32::datum_type(), q_params: None };
        let inputs = if kind < 2 { [input, matrix] } else { [matrix, input] };
        let output = network.wire(op, &inputs);
        let names = network.check(&[output]);
        prop_assert!(has(&names, "BlockedResample"));
    }
}

const SQUARE: Shape =
    Shape { size: (9, 9), kernel: (3, 3), stride: (1, 1), dilation: (1, 1), pad: (1, 1, 1, 1) };

#[test]
fn a_pool_takes_the_rows_of_a_large_convolution_strip_by_strip() {
    let size = (67, 181);
    let (mut network, input) = Network::new(3, size);
    let shape = Shape { size, stride: (1, 1), ..SQUARE };
    let conv = network.conv(input, 40, 1, shape);
    let shape = Shape { stride: (2, 2), ..shape };
    let output = network.wire(MaxPool::new(pool_spec(40, 40, shape), None), &[conv]);
    let names = network.check(&[output]);
    assert!(has(&names, "BlockedConvThinPool"), "{names:?}");
}

#[test]
fn each_window_is_convolved_in_the_way_meant_for_it() {
    let of = |side: usize, kernel: usize, stride: usize| {
        let pad = (kernel / 2, kernel / 2, kernel / 2, kernel / 2);
        let (mut network, input) = Network::new(3, (side, side));
        let input = network.pointwise(input, 20);
        let shape = Shape {
            size: (side, side),
            kernel: (kernel, kernel),
            stride: (stride, stride),
            dilation: (1, 1),
            pad,
        };
        let output = network.conv(input, 20, 1, shape);
        network.check(&[output]).into_iter().rfind(|name| name.starts_with("BlockedConv")).unwrap()
    };
    assert_eq!(of(26, 3, 1), "BlockedConvWinograd4");
    assert_eq!(of(13, 3, 1), "BlockedConvWinograd2");
    assert_eq!(of(4, 3, 1), "BlockedConvDirect");
    assert_eq!(of(26, 3, 2), "BlockedConvDirect");
    assert_eq!(of(26, 1, 1), "BlockedConvPointwise");
}

#[test]
fn a_constant_added_to_a_picture_does_not_reach_the_margins() {
    for op in [math::add(), math::sub()] {
        let (mut network, input) = Network::new(3, SQUARE.size);
        let constant = network.constant(&[1, 3, 1, 1]);
        let input = network.wire(op, &[input, constant]);
        let output = network.conv(input, 20, 1, SQUARE);
        network.check(&[output]);
    }
}

#[test]
fn what_is_used_before_its_activation_is_not_lost() {
    let (mut network, input) = Network::new(3, SQUARE.size);
    let conv = network.conv(input, 20, 1, SQUARE);
    let leaky = network.then(Then::Leaky(0.1), conv);
    let sum = network.wire(math::add(), &[conv, leaky]);
    network.check(&[sum, conv]);
}

#[test]
fn what_does_not_fit_stays_as_it_is() {
    let (mut network, input) = Network::new(12, SQUARE.size);
    let output = network.conv(input, 24, 3, SQUARE);
    assert!(!network.check(&[output]).iter().any(|name| name.starts_with("Blocked")), "groups");

    let mut network = Network { model: TypedModel::default(), random: 1 };
    let input = network.model.add_source("input", f32::fact([2, 12, 9, 9])).unwrap();
    let output = network.conv(input, 24, 1, SQUARE);
    assert!(!network.check(&[output]).iter().any(|name| name.starts_with("Blocked")), "two pictures");

    // what padding may become must not reach anything
    let (mut network, input) = Network::new(3, SQUARE.size);
    let input = network.conv(input, 20, 1, SQUARE);
    let input = network.wire(math::exp(), &[input]);
    let output = network.conv(input, 20, 1, SQUARE);
    let names = network.check(&[output]);
    assert!(has(&names, "BlockedUnpack") && has(&names, "BlockedPack"), "{names:?}");

    // between blocked operators, what is not known gets and gives tensors in the usual form
    let (mut network, input) = Network::new(3, SQUARE.size);
    let input = network.conv(input, 20, 1, SQUARE);
    let input = network.wire(AxisOp::Move(2, 3), &[input]);
    let output = network.conv(input, 20, 1, SQUARE);
    let names = network.check(&[output]);
    assert!(has(&names, "BlockedUnpack") && has(&names, "BlockedPack"), "{names:?}");
}

#[test]
fn what_treats_each_value_by_itself_is_done_in_blocks() {
    let (mut network, input) = Network::new(3, SQUARE.size);
    let input = network.conv(input, 32, 1, SQUARE);
    let gate = network.wire(sigmoid(), &[input]);
    let product = network.wire(math::mul(), &[input, gate]);
    let output = network.conv(product, 32, 1, SQUARE);
    let names = network.check(&[output]);
    assert!(!has(&names, "BlockedPack"), "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "BlockedUnpack").count(), 1, "{names:?}");
}

#[test]
fn sessions_run_side_by_side() {
    let (mut network, input) = Network::new(3, (40, 40));
    let mut output = input;
    for _ in 0..3 {
        output = network.conv(output, 20, 1, Shape { size: (40, 40), ..SQUARE });
    }
    network.model.select_output_outlets(&[output]).unwrap();
    let inputs: Vec<_> = (0..4).map(|_| Arc::new(network.random(&[1, 3, 40, 40]))).collect();
    let processor = Processor::Portable(pulp::Scalar128b);
    let fast = rewrite::rewrite(&network.model, processor).unwrap();
    let plan = runnable(fast.into_optimized().unwrap()).unwrap();
    let plan = &plan;
    let run = |input: &Arc<Tensor>| plan.run(tvec![TValue::from_const(input.clone())]).unwrap();
    let expected: Vec<_> = inputs.iter().map(run).collect();
    std::thread::scope(|scope| {
        let threads = inputs.iter().zip(&expected).map(|(input, expected)| {
            scope.spawn(move || {
                let mut state = plan.spawn().unwrap();
                for _ in 0..10 {
                    let found = state.run(tvec![TValue::from_const(input.clone())]).unwrap();
                    assert_eq!(&found, expected);
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    });
}
