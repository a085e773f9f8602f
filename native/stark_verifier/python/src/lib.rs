//! The extension module `esper._native`: thin bindings, one file per subject.
