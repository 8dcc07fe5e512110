//! The builder: names, values and nodes. What an operator takes and gives is in [`crate::ops`].

use std::collections::BTreeMap;

use prost::Message as _;

use crate::constant::{Constant, DataType};
use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
};
use crate::shape::{self, Dim};
use crate::{IR_VERSION, LARGEST_FILE, OPSET, OnnxError};

/// What a node reads or gives: a name with the type and shape that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    name: String,
    dtype: DataType,
    shape: Vec<Dim>,
}

impl Value {
    /// Its name in the graph.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Its sides.
    pub fn shape(&self) -> &[Dim] {
        &self.shape
    }
}

/// What a file says of itself, beside the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Information {
    /// The program that wrote it, and its version.
    pub producer: (String, String),
    /// For people.
    pub doc: String,
    /// For programs: `metadata_props`, sorted by key.
    pub metadata: BTreeMap<String, String>,
}

/// A graph that grows by one checked node after another.
#[derive(Debug)]
pub struct GraphBuilder {
    name: String,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Every value by name.
    values: BTreeMap<String, Value>,
    /// Where a constant lies in `constants`.
    places: BTreeMap<String, usize>,
    /// Outputs of nodes by all else that the node is: what is computed already is not computed again.
    computed: BTreeMap<Vec<u8>, Value>,
    /// How many nodes there are of each operator.
    counts: BTreeMap<&'static str, usize>,
    /// What values are to be called, that were named as outputs.
    renamed: BTreeMap<String, String>,
    bytes: usize,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: Vec::new(),
            constants: Vec::new(),
            values: BTreeMap::new(),
            places: BTreeMap::new(),
            computed: BTreeMap::new(),
            counts: BTreeMap::new(),
            renamed: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// What the model is given when it runs.
    ///
    /// # Errors
    /// [`OnnxError::NameTaken`], [`OnnxError::Unnamed`]; [`OnnxError::Operator`] for a side of zero.
    pub fn input(&mut self, name: &str, dtype: DataType, shape: &[Dim], doc: &str) -> Result<Value, OnnxError> {
        let value = self.define("Input", name, dtype, shape.to_vec())?;
        self.inputs.push(info(&value, doc));
        Ok(value)
    }

    /// Numbers that are part of the file. The same numbers under the same name are the same value.
    ///
    /// # Errors
    /// [`OnnxError::NameTaken`] if the name has other numbers, [`OnnxError::Unnamed`], and [`OnnxError::TooLarge`].
    pub fn constant(&mut self, name: &str, constant: Constant) -> Result<Value, OnnxError> {
        let Constant { dtype, shape, bytes } = constant;
        if let (Some(value), Some(&place)) = (self.values.get(name), self.places.get(name)) {
            let same = value.dtype == dtype
                && value.shape == shape::fixed(&shape)
                && self.constants[place].raw_data.as_ref() == Some(&bytes);
            return if same { Ok(value.clone()) } else { Err(OnnxError::NameTaken { name: name.to_owned() }) };
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > LARGEST_FILE {
            return Err(OnnxError::TooLarge { bytes: self.bytes });
        }
        let value = self.define("Constant", name, dtype, shape::fixed(&shape))?;
        self.places.insert(name.to_owned(), self.constants.len());
        self.constants.push(TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: Some(dtype.code()),
            name: Some(name.to_owned()),
            raw_data: Some(bytes),
        });
        Ok(value)
    }

    /// Integers that an operator needs, such as a shape. They are named by what they are.
    pub(crate) fn integers(&mut self, shape: &[usize], values: &[i64]) -> Result<Value, OnnxError> {
        let mut name = if shape.is_empty() { "index".to_owned() } else { "integers".to_owned() };
        for value in values {
            name.push('_');
            name.push_str(&value.to_string());
        }
        self.constant(&name, Constant::i64(shape, values)?)
    }

    /// Gives a value to whoever runs the model, under this name.
    ///
    /// # Errors
    /// [`OnnxError::Foreign`], [`OnnxError::NameTaken`], [`OnnxError::Unnamed`].
    pub fn output(&mut self, value: &Value, name: &str, doc: &str) -> Result<(), OnnxError> {
        self.check_own(value)?;
        let output = self.define("Output", name, value.dtype, value.shape.clone())?;
        let is_given = self.renamed.contains_key(value.name());
        let is_computed = self.nodes.iter().any(|node| node.output[0] == value.name);
        if is_given || !is_computed {
            // It has another name to keep.
            let node_name = self.next_name("Identity");
            self.nodes.push(node_proto(node_name, "Identity", vec![value.name.clone()], name.to_owned(), Vec::new()));
        } else {
            self.renamed.insert(value.name.clone(), name.to_owned());
        }
        self.outputs.push(info(&output, doc));
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// [`OnnxError::NoOutput`], [`OnnxError::TooLarge`].
    pub fn into_bytes(self, information: &Information) -> Result<Vec<u8>, OnnxError> {
        let model = self.into_model(information)?;
        let bytes = model.encoded_len();
        if bytes > LARGEST_FILE {
            return Err(OnnxError::TooLarge { bytes });
        }
        Ok(model.encode_to_vec())
    }

    /// What the file will hold.
    ///
    /// # Errors
    /// [`OnnxError::NoOutput`].
    pub fn into_model(mut self, information: &Information) -> Result<ModelProto, OnnxError> {
        if self.outputs.is_empty() {
            return Err(OnnxError::NoOutput);
        }
        let mut intermediate = Vec::new();
        for node in &mut self.nodes {
            for name in node.input.iter_mut().chain(&mut node.output) {
                if let Some(new) = self.renamed.get(name) {
                    name.clone_from(new);
                }
            }
            let name = &node.output[0];
            let is_output = self.outputs.iter().any(|output| output.name() == name);
            intermediate.extend(self.values.get(name).filter(|_| !is_output).map(|value| info(value, "")));
        }
        let graph = GraphProto {
            node: self.nodes,
            name: Some(self.name),
            initializer: self.constants,
            doc_string: None,
            input: self.inputs,
            output: self.outputs,
            value_info: intermediate,
        };
        let Information { producer: (producer, version), doc, metadata } = information;
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let property = |(key, value): (&String, &String)| StringStringEntryProto {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        Ok(ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: text(producer),
            producer_version: text(version),
            domain: None,
            model_version: None,
            doc_string: text(doc),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: metadata.iter().map(property).collect(),
        })
    }

    /// Adds a node, or finds the one that computes the same. An input of `None` is one that the operator can do without.
    pub(crate) fn node(
        &mut self,
        operator: &'static str,
        inputs: &[Option<&Value>],
        attributes: Vec<AttributeProto>,
        dtype: DataType,
        shape: Vec<Dim>,
    ) -> Result<Value, OnnxError> {
        for value in inputs.iter().flatten() {
            self.check_own(value)?;
        }
        let inputs: Vec<String> =
            inputs.iter().map(|input| input.map_or_else(String::new, |value| value.name.clone())).collect();
        let key =
            node_proto(String::new(), operator, inputs.clone(), String::new(), attributes.clone()).encode_to_vec();
        if let Some(value) = self.computed.get(&key) {
            return Ok(value.clone());
        }
        let name = self.next_name(operator);
        let value = self.define(operator, &format!("{name}_output"), dtype, shape)?;
        self.nodes.push(node_proto(name, operator, inputs, value.name.clone(), attributes));
        self.computed.insert(key, value.clone());
        Ok(value)
    }

    fn next_name(&mut self, operator: &'static str) -> String {
        let count = self.counts.entry(operator).or_default();
        *count += 1;
        format!("{operator}_{}", *count - 1)
    }

    fn define(
        &mut self,
        operator: &'static str,
        name: &str,
        dtype: DataType,
        shape: Vec<Dim>,
    ) -> Result<Value, OnnxError> {
        if name.is_empty() {
            return Err(OnnxError::Unnamed);
        }
        if shape.contains(&Dim::Fixed(0)) {
            let problem = format!("`{name}` would have shape {}, without any value", shape::show(&shape));
            return Err(OnnxError::Operator { operator, problem });
        }
        let value = Value { name: name.to_owned(), dtype, shape };
        if self.values.contains_key(name) {
            return Err(OnnxError::NameTaken { name: name.to_owned() });
        }
        self.values.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn check_own(&self, value: &Value) -> Result<(), OnnxError> {
        if self.values.get(&value.name) == Some(value) {
            return Ok(());
        }
        Err(OnnxError::Foreign { name: value.name.clone() })
    }
}

fn node_proto(
    name: String,
    operator: &str,
    input: Vec<String>,
    output: String,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto { input, output: vec![output], name: Some(name), op_type: Some(operator.to_owned()), attribute }
}

fn info(value: &Value, doc: &str) -> ValueInfoProto {
    let dim = |dim: &Dim| match *dim {
        Dim::Batch => DimensionProto { dim_value: None, dim_param: Some(shape::BATCH.to_owned()) },
        Dim::Fixed(side) => DimensionProto { dim_value: Some(side as i64), dim_param: None },
    };
    let shape = TensorShapeProto { dim: value.shape.iter().map(dim).collect() };
    let tensor = TensorTypeProto { elem_type: Some(value.dtype.code()), shape: Some(shape) };
    ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: (!doc.is_empty()).then(|| doc.to_owned()),
    }
}

/// An attribute that is one integer.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, attribute_type::INT) }
}

/// An attribute that is a list of integers.
pub(crate) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: values.iter().map(|&value| value as i64).collect(), ..attribute(name, attribute_type::INTS) }
}

/// An attribute that is a number.
pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, attribute_type::FLOAT) }
}

/// An attribute that is a word.
pub(crate) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, attribute_type::STRING) }
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind), ..AttributeProto::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_protobuf_can_hold_is_refused() {
        let mut graph = GraphBuilder::new("g");
        // Zeros that nobody writes take no memory.
        let len = 96 << 20;
        let chunk = || Constant { dtype: DataType::Uint8, shape: vec![len], bytes: vec![0; len] };
        let add = |index: usize| graph.constant(&format!("c{index}"), chunk());
        let results: Vec<_> = (0..=LARGEST_FILE / len).map(add).collect();
        let (last, others) = results.split_last().unwrap();
        assert!(others.iter().all(Result::is_ok));
        assert!(matches!(last, Err(OnnxError::TooLarge { bytes }) if *bytes > LARGEST_FILE), "{last:?}");
    }
}
