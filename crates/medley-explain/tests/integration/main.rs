//! Maps of real networks and of networks made by hand.

mod captum;
mod methods;
