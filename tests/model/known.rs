//! All states that a search knows: their bytes in one row, and a table of their hashes.

use crate::pack::Packed;

/// No state.
pub const NONE: u32 = u32::MAX;

pub struct Known {
    bytes: Vec<u8>,
    starts: Vec<u32>,
    /// From which state each was reached first.
    pub parents: Vec<u32>,
    table: Vec<u32>,
}

impl Known {
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            starts: vec![0],
            parents: Vec::new(),
            table: vec![NONE; 1 << 16],
        }
    }

    pub fn len(&self) -> usize {
        self.parents.len()
    }

    pub fn bytes_of(&self, state: u32) -> &[u8] {
        let state = state as usize;
        &self.bytes[self.starts[state] as usize..self.starts[state + 1] as usize]
    }

    /// The number of a state.
    pub fn add(&mut self, packed: &Packed, parent: u32) -> u32 {
        if self.len() * 2 > self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut slot = hash(packed.bytes()) & mask;
        while self.table[slot] != NONE {
            let state = self.table[slot];
            if self.bytes_of(state) == packed.bytes() {
                return state;
            }
            slot = (slot + 1) & mask;
        }
        let state = u32::try_from(self.len()).unwrap();
        self.table[slot] = state;
        self.bytes.extend_from_slice(packed.bytes());
        self.starts.push(u32::try_from(self.bytes.len()).unwrap());
        self.parents.push(parent);
        state
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 2 - 1;
        let mut table = vec![NONE; mask + 1];
        for state in 0..u32::try_from(self.len()).unwrap() {
            let mut slot = hash(self.bytes_of(state)) & mask;
            while table[slot] != NONE {
                slot = (slot + 1) & mask;
            }
            table[slot] = state;
        }
        self.table = table;
    }
}

/// Eight bytes at a time, multiplied and folded.
fn hash(bytes: &[u8]) -> usize {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let mixed = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash = mixed ^ mixed >> 29;
    }
    usize::try_from(hash ^ hash >> 32).unwrap()
}
