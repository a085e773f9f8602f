//! The safetensors container: 8 bytes of little-endian header length, a JSON header, then the data.
//! Format: <https://github.com/huggingface/safetensors#format>.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::{ModelError, json};

/// Longest header, bytes: the public package's limit.
const MAX_HEADER: usize = 100_000_000;
/// Most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 32;

/// Element types this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    I8,
    I16,
    I32,
    F16,
    Bf16,
    F32,
}

impl Dtype {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "I8" => Self::I8,
            "I16" => Self::I16,
            "I32" => Self::I32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "F32" => Self::F32,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::F32 => 4,
        }
    }
}

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    begin: usize,
    end: usize,
}

/// One tensor as it lies in the file.
pub(crate) struct View<'a> {
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub data: &'a [u8],
}

impl View<'_> {
    /// Element type and shape in words, for messages.
    pub fn describe(&self) -> String {
        describe(self.dtype, self.shape)
    }
}

/// Element type and shape in words.
pub(crate) fn describe(dtype: Dtype, shape: &[usize]) -> String {
    format!("{dtype:?}{shape:?}")
}

/// A file read whole or in part, its header checked: every tensor lies inside the data and has the length its shape says.
pub(crate) struct Container {
    bytes: Vec<u8>,
    data_start: usize,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl Container {
    /// Reads the whole file. Memory is bounded by the size of the file, whatever its header claims.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Io { path: path.into(), source })?;
        Self::parse(path, bytes)
    }

    /// Checks bytes already read; `path` is for messages only.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, ModelError> {
        let bad = |reason: String| ModelError::Container { path: path.into(), reason };
        let length: [u8; 8] = bytes
            .get(..8)
            .and_then(|b| b.try_into().ok())
            .ok_or_else(|| bad("shorter than 8 bytes".into()))?;
        let data_start = usize::try_from(u64::from_le_bytes(length))
            .ok()
            .and_then(|n| n.checked_add(8))
            .filter(|&end| end <= bytes.len())
            .ok_or_else(|| bad("the header is longer than the file".into()))?;
        let text = &bytes[8..data_start];
        let (entries, metadata) = header(path, text, bytes.len() - data_start)?;
        Ok(Self { bytes, data_start, entries, metadata })
    }

    /// Reads the header, and of the data nothing but the tensors that are wanted: the others are not in the container.
    pub fn read_some(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, ModelError> {
        let bad = |reason: &str| ModelError::Container { path: path.into(), reason: reason.into() };
        let io = |source| ModelError::Io { path: path.into(), source };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        if size < 8 {
            return Err(bad("shorter than 8 bytes"));
        }
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > size - 8 {
            return Err(bad("the header is longer than the file"));
        }
        let mut text = Vec::new();
        file.by_ref().take(length.min(MAX_HEADER as u64 + 1)).read_to_end(&mut text).map_err(io)?;
        let data_length =
            usize::try_from(size - 8 - length).map_err(|_| bad("larger than this machine reads"))?;
        let (mut entries, metadata) = header(path, &text, data_length)?;
        entries.retain(|name, _| wanted(name));
        let mut bytes = Vec::new();
        for entry in entries.values_mut() {
            file.seek(SeekFrom::Start(8 + length + entry.begin as u64)).map_err(io)?;
            let (begin, size) = (bytes.len(), entry.end - entry.begin);
            bytes.resize(begin + size, 0);
            file.read_exact(&mut bytes[begin..]).map_err(io)?;
            (entry.begin, entry.end) = (begin, begin + size);
        }
        Ok(Self { bytes, data_start: 0, entries, metadata })
    }

    /// The string under `key` of `__metadata__`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The tensor called `name`, if there is one.
    pub fn find(&self, name: &str) -> Option<View<'_>> {
        self.entries.get(name).map(|e| View {
            dtype: e.dtype,
            shape: &e.shape,
            data: &self.bytes[self.data_start + e.begin..self.data_start + e.end],
        })
    }

    /// The tensor called `name`, with exactly this element type and shape.
    pub fn expect(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8], ModelError> {
        let view = self.find(name).ok_or_else(|| ModelError::MissingTensor { tensor: name.into() })?;
        if view.dtype != dtype || view.shape != shape {
            return Err(ModelError::TensorShape {
                tensor: name.into(),
                expected: describe(dtype, shape),
                got: view.describe(),
            });
        }
        Ok(view.data)
    }
}

/// Entries by name, and the metadata.
type Header = (BTreeMap<String, Entry>, BTreeMap<String, String>);

/// What the text of a header says of `data_length` bytes of data; `path` is for messages only.
fn header(path: &Path, text: &[u8], data_length: usize) -> Result<Header, ModelError> {
    let bad = |reason: String| ModelError::Container { path: path.into(), reason };
    if text.len() > MAX_HEADER {
        return Err(bad(format!("the header is longer than {MAX_HEADER} bytes")));
    }
    if !text.starts_with(b"{") {
        return Err(bad("the header does not begin with '{'".into()));
    }
    let header = match json::parse(text) {
        Ok(Value::Object(header)) => header,
        Ok(_) => return Err(bad("the header is not a JSON object".into())),
        Err(reason) => return Err(bad(format!("the header is not JSON: {reason}"))),
    };
    let mut entries = BTreeMap::new();
    let mut metadata = BTreeMap::new();
    for (name, value) in header {
        if name == "__metadata__" {
            metadata = serde_json::from_value(value)
                .map_err(|e| bad(format!("__metadata__ is not a map of strings: {e}")))?;
            continue;
        }
        let entry =
            Entry::parse(&value, data_length).map_err(|reason| bad(format!("tensor '{name}': {reason}")))?;
        entries.insert(name, entry);
    }
    check_coverage(path, &entries, data_length)?;
    Ok((entries, metadata))
}

/// Tensors must fill the data without holes or overlaps, so that one file has one meaning.
fn check_coverage(
    path: &Path,
    entries: &BTreeMap<String, Entry>,
    data_length: usize,
) -> Result<(), ModelError> {
    let mut spans: Vec<(usize, usize)> = entries.values().map(|e| (e.begin, e.end)).collect();
    spans.sort_unstable();
    let mut position = 0;
    for (begin, end) in spans {
        if begin != position {
            return Err(ModelError::Container {
                path: path.into(),
                reason: format!("hole or overlap in the data at byte {}", position.min(begin)),
            });
        }
        position = end;
    }
    if position != data_length {
        let reason = format!("tensors cover {position} of {data_length} data bytes");
        return Err(ModelError::Container { path: path.into(), reason });
    }
    Ok(())
}

impl Entry {
    fn parse(value: &Value, data_length: usize) -> Result<Self, String> {
        let dtype = value.get("dtype").and_then(Value::as_str).ok_or("no dtype")?;
        let dtype = Dtype::parse(dtype).ok_or_else(|| format!("element type {dtype} is not supported"))?;
        let shape = indices(value.get("shape")).ok_or("shape is not a list of sizes")?;
        let offsets = indices(value.get("data_offsets")).ok_or("data_offsets is not a list of offsets")?;
        let &[begin, end] = offsets.as_slice() else { return Err("data_offsets needs two entries".into()) };
        if begin > end || end > data_length {
            return Err(format!("data_offsets [{begin}, {end}] leave the {data_length} bytes of data"));
        }
        if shape.len() > MAX_DIMENSIONS {
            return Err(format!("has {} dimensions, at most {MAX_DIMENSIONS}", shape.len()));
        }
        // Sizes beside a 0 must fit as well: other readers multiply them.
        let room = |n: usize, &d: &usize| n.checked_mul(d.max(1)).filter(|&n| isize::try_from(n).is_ok());
        shape.iter().try_fold(dtype.bytes(), room).ok_or("shape overflows")?;
        let length = shape.iter().product::<usize>() * dtype.bytes();
        if length != end - begin {
            return Err(format!("shape {shape:?} needs {length} bytes, data_offsets give {}", end - begin));
        }
        Ok(Self { dtype, shape, begin, end })
    }
}

fn indices(value: Option<&Value>) -> Option<Vec<usize>> {
    value?.as_array()?.iter().map(|v| v.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
}

/// Little-endian int8 elements.
pub(crate) fn to_i8(data: &[u8]) -> Vec<i8> {
    data.iter().map(|&b| b.cast_signed()).collect()
}

/// Little-endian int16 elements.
pub(crate) fn to_i16(data: &[u8]) -> Vec<i16> {
    data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// Little-endian int32 elements.
pub(crate) fn to_i32(data: &[u8]) -> Vec<i32> {
    data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
