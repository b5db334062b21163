//! The flag that says which lane a file's chunks take.

use clap::ValueEnum;
use fabric::chunk::Lane;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LaneName {
    Normal,
    High,
}

impl From<LaneName> for Lane {
    fn from(name: LaneName) -> Self {
        match name {
            LaneName::Normal => Self::Normal,
            LaneName::High => Self::High,
        }
    }
}
