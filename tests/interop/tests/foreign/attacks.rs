//! The thirty attack rows of the study of servers between servers (its section 6), each as a test named after its row: the
//! attack is made on the wire, the answer of the standard is seen, and those who mean well are still served.

mod certificates;
mod dialback;
mod flood;
mod forge;
mod outside;
mod policy;
pub(crate) mod scene;
mod time;
mod tls;
pub(crate) mod villain;
mod xml;
