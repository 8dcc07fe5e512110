//! Generates one synthetic set of the official size: `generate NAME FOLDER [SIZE]`. For benchmarks; people use `medley data synth`.

use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, folder) = (arguments.first().ok_or("name a set")?, arguments.get(1).ok_or("name a folder")?);
    let size = arguments.get(2).map_or(Ok(28), |size| size.parse())?;
    let options = SynthOptions { rows: Rows::Official, size, ..SynthOptions::default() };
    write_set(folder.as_ref(), name, &options, &RealFs)?;
    Ok(())
}
