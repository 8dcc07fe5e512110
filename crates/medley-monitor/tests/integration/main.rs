//! Screens drawn without a terminal, and events of any order.

mod drawing;
