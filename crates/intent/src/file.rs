//! The file of a trained model.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `FDINTENT` |
//! | 4 | version, 1 (all numbers are little-endian) |
//! | 4 | CRC-32 of everything after it |
//! | 4 | length of the texts in bytes |
//! | 4 | how many intents: `k` |
//! | 4 | how many features are known: `n` |
//! | 4 | bits of the vocabulary: `b` |
//! | 4 | what an unknown piece counts (this and all below that is not whole: 32-bit floats) |
//! | | texts: JSON, `{"intents": […], "calibration": {…}, "examples": […]}` |
//! | 2^b / 8 | the vocabulary's map |
//! | n × 4, n × 4 | importance and scale of each row |
//! | k × 4 | bias of each intent |
//! | n × k | weights, one signed byte each |
//!
//! A reader checks every length against the file's before it takes memory, so a damaged or hostile file is an error and
//! costs no more than its own size. The intents in it have the bounds of those in a site's TOML.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::examples::Examples;
use crate::intents::{Intent, Intents, IntentsError, MAX_INTENTS, MIN_INTENTS};
use crate::linear::Linear;
use crate::model::Model;
use crate::space::Space;
use crate::vocabulary::{self, LEAST_BITS, MOST_BITS, Vocabulary};

const MAGIC: &[u8; 8] = b"FDINTENT";
const VERSION: u32 = 1;

/// Largest file that is read, in bytes. Training writes less than 10 MB of weights and at most 20 MB of texts.
pub const MAX_FILE_BYTES: usize = 32_000_000;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It does not begin as such a file does.
    #[error("this is not a trained intent model; make one with `ai intents train`")]
    Foreign,
    /// Another version wrote it.
    #[error("the model's file has version {0}, and this program reads version 1; train it again")]
    Version(u32),
    /// It is too long to be one.
    #[error("the model's file has {0} bytes, and at most 32,000,000 are read")]
    TooLong(usize),
    /// Its bytes are not those that were written.
    #[error("the model's file is damaged: {0}; copy it again, or train it again")]
    Damaged(&'static str),
    /// An intent in it is none that training takes, so that something else wrote it.
    #[error("the model's file has an intent that cannot be used: {0}; train it again")]
    Intent(#[from] IntentsError),
}

#[derive(Serialize, Deserialize)]
struct Texts<I> {
    intents: I,
    calibration: Calibration,
    #[serde(default)]
    examples: Examples,
}

impl Model {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// The bytes are no such file, of another version, or damaged, or an intent in it could not be declared.
    pub fn read(bytes: &[u8]) -> Result<Self, FileError> {
        let model = Self::read_with_any_texts(bytes)?;
        Intents::check_trained(&model.intents)?;
        Ok(model)
    }

    /// The same for a file that came with the program, whose intents need no titles and no replies.
    pub(crate) fn read_with_any_texts(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(FileError::TooLong(bytes.len()));
        }
        let mut rest = Bytes(bytes);
        if rest.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(FileError::Foreign);
        }
        let version = rest.number()?;
        if version != VERSION {
            return Err(FileError::Version(version));
        }
        let checksum = rest.number()?;
        if crc32fast::hash(rest.0) != checksum {
            return Err(FileError::Damaged("its checksum is another"));
        }
        read_body(rest)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `to`, and texts that are too long for a file.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let body = self.body()?;
        to.write_all(MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        to.write_all(&crc32fast::hash(&body).to_le_bytes())?;
        to.write_all(&body)
    }

    fn body(&self) -> io::Result<Vec<u8>> {
        let texts = serde_json::to_vec(&Texts {
            intents: &self.intents,
            calibration: self.calibration,
            examples: self.examples.clone(),
        })?;
        let Linear { space, intents, bias, scales, weights } = &self.linear;
        let mut body =
            Vec::with_capacity(texts.len() + weights.len() + scales.len() * 8 + space.vocabulary.map().len() * 8);
        for number in [texts.len(), *intents, space.rows()] {
            body.extend(u32::try_from(number).map_err(io::Error::other)?.to_le_bytes());
        }
        body.extend(space.vocabulary.bits().to_le_bytes());
        push_floats(&mut body, &[space.unknown]);
        body.extend(texts);
        body.extend(space.vocabulary.map().iter().flat_map(|word| word.to_le_bytes()));
        push_floats(&mut body, &space.importance);
        push_floats(&mut body, scales);
        push_floats(&mut body, bias);
        body.extend(weights);
        if body.len() + MAGIC.len() + 8 > MAX_FILE_BYTES {
            return Err(io::Error::other("the intents' texts are too long for a file; shorten them"));
        }
        Ok(body)
    }
}

fn push_floats(body: &mut Vec<u8>, floats: &[f32]) {
    body.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
}

fn read_body(mut rest: Bytes<'_>) -> Result<Model, FileError> {
    let (texts, intents, rows, bits) = (rest.length()?, rest.length()?, rest.length()?, rest.number()?);
    let unknown = rest.floats(1)?;
    if !(MIN_INTENTS..=MAX_INTENTS).contains(&intents) || !(LEAST_BITS..=MOST_BITS).contains(&bits) {
        return Err(FileError::Damaged("its sizes make no sense"));
    }
    let texts: Texts<Vec<Intent>> =
        serde_json::from_slice(rest.take(texts)?).map_err(|_| FileError::Damaged("its texts are not readable"))?;
    if texts.intents.len() != intents || !texts.calibration.is_sound() {
        return Err(FileError::Damaged("its texts and its weights do not fit each other"));
    }
    let map = rest.take(vocabulary::words(bits) * 8)?.chunks_exact(8);
    let map = map.map(|word| word.try_into().map_or(0, u64::from_le_bytes)).collect();
    let vocabulary = Vocabulary::new(bits, map).filter(|vocabulary| vocabulary.len() == rows);
    let vocabulary = vocabulary.ok_or(FileError::Damaged("its vocabulary and its weights do not fit each other"))?;
    let (importance, scales, bias) = (rest.floats(rows)?, rest.floats(rows)?, rest.floats(intents)?);
    let weights = rest.take(rows.checked_mul(intents).ok_or(FileError::Damaged("its sizes make no sense"))?)?.to_vec();
    if !rest.0.is_empty() {
        return Err(FileError::Damaged("it is longer than it says"));
    }
    let space = Space { vocabulary, importance, unknown: unknown.into_iter().sum() };
    let linear = Linear { space, intents, bias, scales, weights };
    let Texts { intents, calibration, examples } = texts;
    Ok(Model { intents, linear, calibration, examples })
}

/// What is left to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], FileError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FileError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, FileError> {
        Ok(self.take(4)?.try_into().map_or(0, u32::from_le_bytes))
    }

    fn length(&mut self) -> Result<usize, FileError> {
        usize::try_from(self.number()?).map_err(|_| FileError::Damaged("its sizes make no sense"))
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f32>, FileError> {
        let bytes = self.take(count.checked_mul(4).ok_or(FileError::Damaged("its sizes make no sense"))?)?;
        let floats: Vec<f32> =
            bytes.chunks_exact(4).map(|float| float.try_into().map_or(0.0, f32::from_le_bytes)).collect();
        let are_sound = floats.iter().all(|float| float.is_finite());
        if are_sound { Ok(floats) } else { Err(FileError::Damaged("a number in it is not finite")) }
    }
}
