//! Compiles the node of the graph against the headers of the libtorch that torch-sys found.

use std::env;
use std::path::PathBuf;

fn main() {
    for name in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=cpp/node.cpp");
    let libraries = env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys says where libtorch is, on Linux and macOS");
    let beside = PathBuf::from(libraries).join("..");
    let include = env::var_os("LIBTORCH_INCLUDE").map_or(beside, PathBuf::from).join("include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .std("c++17")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        // The headers of libtorch have warnings of their own.
        .warnings(false)
        // Lines of those headers take two thirds of the time, and nobody looks for a fault there.
        .debug(false)
        .file("cpp/node.cpp")
        .compile("medley_autograd");
}
