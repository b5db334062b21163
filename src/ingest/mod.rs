//! Turns files into chunk messages on a lane.
