//! The topology record.

use crate::rules::Rules;
use crate::world::{NOBODY, PODS, Pod};

/// A topology record. Epoch 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    pub epoch: u8,
    pub primary: Pod,
    pub state: State,
    /// `NOBODY` outside a handover.
    pub target: Pod,
    /// 0 until the old primary stopped.
    pub stopped_at: u8,
    /// The highest timeline number ever given; 0 is not known.
    pub timeline: u8,
    /// For each pod the location of its shutdown checkpoint, 0 for none.
    pub clean: [u8; PODS],
    pub rejoin: Pod,
    /// The epoch of the handover that its target ended from a copy, 0 for none.
    pub settles: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    Steady,
    Handover,
    Maintenance,
}

impl Record {
    pub const NONE: Self = Self {
        epoch: 0,
        primary: 0,
        state: State::Steady,
        target: NOBODY,
        stopped_at: 0,
        timeline: 0,
        clean: [0; PODS],
        rejoin: NOBODY,
        settles: 0,
    };

    pub fn exists(&self) -> bool {
        self.epoch > 0
    }

    /// The epoch at which the handover began.
    pub fn begun(&self) -> u8 {
        self.epoch - u8::from(self.stopped_at > 0)
    }

    pub fn is_steady(&self) -> bool {
        self.exists() && self.state == State::Steady
    }

    pub fn is_handover(&self) -> bool {
        self.exists() && self.state == State::Handover
    }

    pub fn is_maintenance(&self) -> bool {
        self.exists() && self.state == State::Maintenance
    }

    /// The same primary, and no handover or maintenance.
    pub fn steady(mut self) -> Self {
        self.state = State::Steady;
        self.target = NOBODY;
        self.stopped_at = 0;
        self
    }

    /// By how much the epoch of what follows is greater.
    pub fn further(&self, rules: &Rules) -> u8 {
        match self.state {
            State::Maintenance => rules.leaves_by,
            State::Steady | State::Handover => 1,
        }
    }

    pub fn handover(mut self, target: Pod) -> Self {
        self.state = State::Handover;
        self.target = target;
        self.stopped_at = 0;
        self
    }
}
