//! Records as bytes: the schemas of `esper.primitives.codec`, which build and take apart Python's own values.

use std::sync::Arc;
use std::vec::Drain;

use esper_codec::{Failure, Look, Make, Reader, Record, Refusal, Rejected, Unfit};
use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString, PyTuple};
use pyo3::{PyTypeInfo, intern};

/// What makes a record's value: a callable, and the names that it takes its fields by.
struct Build {
    callable: Py<PyAny>,
    names: Vec<Py<PyString>>,
    by_place: bool,
}

type PythonSchema = esper_codec::Schema<Build>;

/// A schema, compiled. The classes of `esper.primitives.codec` make one each.
#[pyclass(frozen, module = "esper._native", name = "Schema")]
struct Schema(Arc<PythonSchema>);

#[pymethods]
impl Schema {
    /// An unsigned integer of at most `bits`, 1 to 64. Raises ValueError for other widths.
    #[staticmethod]
    fn unsigned(bits: u32) -> PyResult<Self> {
        Ok(Self::of(PythonSchema::Unsigned { bits: width(bits)? }))
    }

    /// A signed integer in (-2^62, 2^62).
    #[staticmethod]
    fn signed() -> Self {
        Self::of(PythonSchema::Signed)
    }

    /// A byte string of exactly `size` bytes.
    #[staticmethod]
    fn fixed_bytes(size: usize) -> Self {
        Self::of(PythonSchema::FixedBytes { size })
    }

    /// An unsigned integer as exactly `size` big-endian bytes.
    #[staticmethod]
    fn wide_unsigned(size: usize) -> Self {
        Self::of(PythonSchema::WideUnsigned { size })
    }

    /// A byte string of at most `limit` bytes.
    #[staticmethod]
    fn var_bytes(limit: usize) -> Self {
        Self::of(PythonSchema::VarBytes { limit })
    }

    /// Two unsigned integers of at most `bits` each, 1 to 64. Raises ValueError for other widths.
    #[staticmethod]
    fn unsigned_pair(bits: u32) -> PyResult<Self> {
        Ok(Self::of(PythonSchema::UnsignedPair { bits: width(bits)? }))
    }

    /// A list of at most `limit` elements.
    #[staticmethod]
    fn array(element: &Schema, limit: usize) -> Self {
        Self::of(PythonSchema::Array { element: element.0.clone(), limit })
    }

    /// Named fields behind a version; `build` gets them by name, or in their order if `by_place`.
    #[staticmethod]
    fn record(
        build: Py<PyAny>,
        version: Option<u16>,
        fields: Vec<(Bound<'_, PyString>, PyRef<'_, Schema>)>,
        by_place: bool,
    ) -> PyResult<Self> {
        let mut build = Build { callable: build, names: Vec::with_capacity(fields.len()), by_place };
        let mut inner = Vec::with_capacity(fields.len());
        for (name, schema) in fields {
            let text = name.to_str()?.to_owned();
            build.names.push(PyString::intern(name.py(), &text).unbind());
            inner.push((text, schema.0.clone()));
        }
        Ok(Self::of(PythonSchema::Record(Record { build, version, fields: inner })))
    }

    /// The canonical bytes of a value. Raises ValueError for one outside the schema.
    fn encode<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(value.py(), &self.bytes_of(value)?))
    }

    /// The one value that is in `data`, which must be the encoding of what was read.
    ///
    /// Raises `refusal(what, position)`, caused by what a constructor raised if one did.
    fn decode<'py>(
        &self,
        data: &Bound<'py, PyBytes>,
        limit: usize,
        what: &str,
        refusal: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = data.as_bytes();
        if bytes.len() > limit {
            let text = format!("{what}: {} bytes, at most {limit} allowed", bytes.len());
            return Err(raised(Refusal { what: text, position: limit }, refusal));
        }
        let value = self.decode_own(data, what, refusal)?;
        if self.bytes_of(&value)? != bytes {
            let text = format!("{what}: not in canonical form");
            return Err(raised(Refusal { what: text, position: 0 }, refusal));
        }
        Ok(value)
    }

    /// The one value that is in `data`, without the second look. Raises as `decode`.
    fn decode_own<'py>(
        &self,
        data: &Bound<'py, PyBytes>,
        what: &str,
        refusal: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        esper_codec::decode(&self.0, data.as_bytes(), what, &mut Values(data.py()))
            .map_err(|failure| failed(failure, refusal))
    }

    /// The value that begins at a position, and where it ends. Raises as `decode`.
    fn read<'py>(
        &self,
        data: &Bound<'py, PyBytes>,
        position: usize,
        what: &str,
        refusal: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let mut reader = Reader::at(data.as_bytes(), position);
        let value = esper_codec::read(&self.0, &mut reader, what, &mut Values(data.py()))
            .map_err(|failure| failed(failure, refusal))?;
        Ok((value, reader.position()))
    }
}

impl Schema {
    fn of(schema: PythonSchema) -> Self {
        Self(Arc::new(schema))
    }

    fn bytes_of(&self, value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        let mut out = Vec::with_capacity(256);
        esper_codec::encode(&*self.0, value, &Values(value.py()), &mut out).map_err(|unfit| match unfit {
            Unfit::Outside(reason) => PyValueError::new_err(reason),
            Unfit::Broken(error) => error,
        })?;
        Ok(out)
    }
}

/// The declared number of elements of the array that begins at a position, and where its head ends.
///
/// Raises `refusal(what, position)`.
#[pyfunction]
fn array_length(
    data: &Bound<'_, PyBytes>,
    position: usize,
    what: &str,
    refusal: &Bound<'_, PyAny>,
) -> PyResult<(u64, usize)> {
    let mut reader = Reader::at(data.as_bytes(), position);
    match reader.array_length() {
        Ok(count) => Ok((count, reader.position())),
        Err(Refusal { what: reason, position }) => {
            Err(raised(Refusal { what: format!("{what}{reason}"), position }, refusal))
        }
    }
}

fn width(bits: u32) -> PyResult<u32> {
    if (1..=u64::BITS).contains(&bits) {
        return Ok(bits);
    }
    Err(PyValueError::new_err(format!("{bits} bits, must be 1 to 64")))
}

fn failed(failure: Failure<PyErr>, refusal: &Bound<'_, PyAny>) -> PyErr {
    match failure {
        Failure::Broken(error) => error,
        Failure::Refused(found, cause) => {
            let error = raised(found, refusal);
            error.set_cause(refusal.py(), cause);
            error
        }
    }
}

fn raised(found: Refusal, refusal: &Bound<'_, PyAny>) -> PyErr {
    match refusal.call1((found.what, found.position)) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Python's values.
struct Values<'py>(Python<'py>);

impl<'py> Make<Build> for Values<'py> {
    type Value = Bound<'py, PyAny>;
    type Error = PyErr;

    fn unsigned(&mut self, value: u64) -> PyResult<Self::Value> {
        Ok(value.into_pyobject(self.0)?.into_any())
    }

    fn signed(&mut self, value: i64) -> PyResult<Self::Value> {
        Ok(value.into_pyobject(self.0)?.into_any())
    }

    fn wide(&mut self, bytes: &[u8]) -> PyResult<Self::Value> {
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        if let Some(rest) = bytes.get(zeros..).filter(|rest| rest.len() <= 8) {
            return self.unsigned(rest.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)));
        }
        let py = self.0;
        PyInt::type_object(py)
            .call_method1(intern!(py, "from_bytes"), (PyBytes::new(py, bytes), intern!(py, "big")))
    }

    fn bytes(&mut self, bytes: &[u8]) -> PyResult<Self::Value> {
        Ok(PyBytes::new(self.0, bytes).into_any())
    }

    fn list(&mut self, elements: Drain<'_, Self::Value>) -> PyResult<Self::Value> {
        Ok(PyTuple::new(self.0, elements)?.into_any())
    }

    fn record(
        &mut self,
        record: &Record<Build>,
        fields: Drain<'_, Self::Value>,
    ) -> Result<Self::Value, Rejected<PyErr>> {
        let py = self.0;
        let callable = record.build.callable.bind(py);
        let built = if record.build.by_place {
            PyTuple::new(py, fields).and_then(|fields| callable.call1(fields))
        } else {
            by_name(py, &record.build.names, fields).and_then(|fields| callable.call((), Some(&fields)))
        };
        built.map_err(|error| {
            if error.is_instance_of::<PyValueError>(py) {
                Rejected::Refused(error.value(py).to_string(), error)
            } else {
                Rejected::Broken(error)
            }
        })
    }
}

fn by_name<'py>(
    py: Python<'py>,
    names: &[Py<PyString>],
    fields: Drain<'_, Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let named = PyDict::new(py);
    for (name, field) in names.iter().zip(fields) {
        named.set_item(name, field)?;
    }
    Ok(named)
}

impl<'py> Look<Build> for Values<'py> {
    type Value = Bound<'py, PyAny>;
    type Error = PyErr;

    fn unsigned(&self, value: &Self::Value) -> Result<Option<u64>, Unfit<PyErr>> {
        within_range(self.0, value.extract())
    }

    fn signed(&self, value: &Self::Value) -> Result<Option<i64>, Unfit<PyErr>> {
        within_range(self.0, value.extract())
    }

    fn wide(&self, value: &Self::Value, size: usize, out: &mut Vec<u8>) -> Result<bool, Unfit<PyErr>> {
        let py = self.0;
        if let Some(number) = within_range::<u64>(py, value.extract())? {
            let bytes = number.to_be_bytes();
            let short = size.min(bytes.len());
            let (high, low) = bytes.split_at(bytes.len() - short);
            if high.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            out.resize(out.len() + size - short, 0);
            out.extend_from_slice(low);
            return Ok(true);
        }
        let bytes = value.call_method1(intern!(py, "to_bytes"), (size, intern!(py, "big")));
        let Some(bytes) = within_range::<Bound<'py, PyAny>>(py, bytes)? else { return Ok(false) };
        out.extend_from_slice(Look::bytes(self, &bytes)?);
        Ok(true)
    }

    fn bytes<'v>(&self, value: &'v Self::Value) -> Result<&'v [u8], Unfit<PyErr>> {
        value.cast::<PyBytes>().map(|bytes| bytes.as_bytes()).map_err(|error| unfit(self.0, error.into()))
    }

    fn length(&self, value: &Self::Value) -> Result<usize, Unfit<PyErr>> {
        value.len().map_err(|error| unfit(self.0, error))
    }

    fn element(&self, value: &Self::Value, place: usize) -> Result<Self::Value, Unfit<PyErr>> {
        if let Ok(tuple) = value.cast::<PyTuple>() {
            return tuple.get_item(place).map_err(|error| unfit(self.0, error));
        }
        value.get_item(place).map_err(|error| unfit(self.0, error))
    }

    fn field(
        &self,
        record: &Record<Build>,
        value: &Self::Value,
        place: usize,
    ) -> Result<Self::Value, Unfit<PyErr>> {
        value.getattr(record.build.names[place].bind(self.0)).map_err(|error| unfit(self.0, error))
    }

    fn shown(&self, value: &Self::Value) -> Result<String, Unfit<PyErr>> {
        value.str().map(|text| text.to_string()).map_err(|error| unfit(self.0, error))
    }
}

/// None for an integer beyond what was asked for.
fn within_range<T>(py: Python<'_>, found: PyResult<T>) -> Result<Option<T>, Unfit<PyErr>> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Ok(None),
        Err(error) => Err(unfit(py, error)),
    }
}

/// A ValueError says that the value is outside the schema, whoever raised it.
fn unfit(py: Python<'_>, error: PyErr) -> Unfit<PyErr> {
    if error.is_instance_of::<PyValueError>(py) {
        return Unfit::Outside(error.value(py).to_string());
    }
    Unfit::Broken(error)
}

/// Adds this file's class and function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Schema>()?;
    module.add_function(wrap_pyfunction!(array_length, module)?)
}
