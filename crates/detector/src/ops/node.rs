//! Kernels as operators of tract's, and the memory that a session keeps for them

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::lanes::Processor;
use super::window::Scratch;

/// Something to compute on the values of tensors of fixed shapes.
pub(super) trait Kernel: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// Computes all of `out` from `inputs`.
    fn run(&self, processor: Processor, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch);
}

/// A kernel in a network.
#[derive(Clone)]
pub(super) struct KernelNode {
    pub(super) processor: Processor,
    pub(super) kernel: Arc<dyn Kernel>,
    /// The values of each input that the kernel is given.
    pub(super) cuts: Vec<Range<usize>>,
    /// The output's shape.
    pub(super) shape: TVec<usize>,
    /// Whether the session may keep the output's memory: not where stock operators would want to overwrite it.
    pub(super) keep: bool,
}

impl KernelNode {
    fn compute(&self, session: &mut Session, inputs: &[TValue]) -> TractResult<TValue> {
        let Session { scratch, tensors } = session;
        let mut output = match self.keep.then(|| reusable(tensors, &self.shape)).flatten() {
            Some(tensor) => tensor,
            None => Arc::new(Tensor::zero::<f32>(&self.shape)?),
        };
        let tensor = Arc::get_mut(&mut output).context("a new output belongs to nobody else")?;
        tensor.set_shape(&self.shape)?;
        let values = inputs
            .iter()
            .zip(&self.cuts)
            .map(|(input, cut)| Ok(&input.try_as_plain_ram()?.as_slice::<f32>()?[cut.clone()]))
            .collect::<TractResult<TVec<_>>>()?;
        let mut tensor = tensor.try_as_plain_ram_mut()?;
        self.kernel.run(self.processor, &values, tensor.as_slice_mut::<f32>()?, scratch);
        if self.keep {
            tensors.push(output.clone());
        }
        Ok(TValue::from_const(output))
    }
}

impl fmt::Debug for KernelNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.kernel.name(), self.shape, self.processor)
    }
}

/// Two kernels are equal when they are the same one.
impl PartialEq for KernelNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel) && self.cuts == other.cuts && self.shape == other.shape
    }
}

impl Eq for KernelNode {}

impl Op for KernelNode {
    fn name(&self) -> StaticName {
        self.kernel.name().into()
    }

    op_as_typed_op!();
}

impl EvalOp for KernelNode {
    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let kept = context.shared.and_then(|shared| shared.get::<RefCell<Session>>());
        let output = match kept {
            Some(session) => self.compute(&mut session.borrow_mut(), &inputs),
            None => self.compute(&mut Session::default(), &inputs),
        };
        Ok(tvec![output?])
    }

    op_out_of_plan!();
}

impl TypedOp for KernelNode {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(&self.shape)])
    }

    as_op!();
}

/// What kernels keep from run to run. It belongs to one session, so no thread waits for another.
#[derive(Debug, Default)]
struct Session {
    scratch: Scratch,
    /// Outputs of earlier operators; one that nobody else holds any more is free to be used again.
    tensors: Vec<Arc<Tensor>>,
}

/// Takes a tensor of as many values as `shape` has that nobody uses any more, the latest first: it may be in the cache.
fn reusable(tensors: &mut Vec<Arc<Tensor>>, shape: &[usize]) -> Option<Arc<Tensor>> {
    let len = shape.iter().product::<usize>();
    let at = tensors.iter_mut().rposition(|tensor| tensor.len() == len && Arc::get_mut(tensor).is_some())?;
    Some(tensors.remove(at))
}

/// Gives every session memory of its own at its first run.
#[derive(Debug)]
pub(super) struct Sessions;

impl tract_onnx::tract_core::plan::TurnStateHandler for Sessions {
    fn before_plan_eval(&self, turn: &mut TurnState) -> TractResult<()> {
        if turn.shared.get::<RefCell<Session>>().is_none() {
            turn.shared.insert(RefCell::new(Session::default()));
        }
        Ok(())
    }

    fn after_plan_eval(&self, _: &mut TurnState) -> TractResult<()> {
        Ok(())
    }
}
