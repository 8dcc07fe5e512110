//! The matrix unit of Intel's server processors (AMX): eight registers of sixteen rows of 64 bytes, and an instruction that multiplies
//! two of them as matrices of pairs of bfloat16 and adds to a third, sixteen times as much at a time as one of AVX-512.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::processor::{Processor, processor};

/// Whether this process may use the unit.
pub(crate) fn is_here() -> bool {
    static IS_HERE: OnceLock<bool> = OnceLock::new();
    processor() == Processor::Avx512Bf16 && !crate::processor::is_without_amx() && *IS_HERE.get_or_init(may_use)
}

/// Asks the processor, then the system: a thread's registers grow by eight KiB, which Linux saves for those that asked.
fn may_use() -> bool {
    const TILES: u32 = 1 << 24;
    const BF16: u32 = 1 << 22;
    const REQUEST_PERMISSION: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & (TILES | BF16) != TILES | BF16 {
        return false;
    }
    // SAFETY: the call takes two numbers and reads and writes no memory of ours.
    #[allow(unsafe_code, reason = "a system call")]
    let result = unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) };
    result == 0
}

/// Registers of the shape that products need, until this is dropped: `tmm0` to `tmm3` hold sums, of two times two, `tmm4` and `tmm5` the
/// left matrices and `tmm6` and `tmm7` the right ones. A right matrix has sixteen columns.
pub(crate) struct Tiles {
    /// They are registers of this thread.
    of_thread: PhantomData<*const ()>,
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    columns: [u16; 16],
    rows: [u8; 16],
}

impl Tiles {
    /// Rows of the two left matrices, at most sixteen each, and the depth of a product in pairs. A matrix without rows is not to be used.
    pub(crate) fn new(rows: [usize; 2], depth: usize) -> Self {
        assert!(is_here() && rows.iter().all(|&rows| rows <= 16) && (1..=16).contains(&depth));
        let mut shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], columns: [0; 16], rows: [0; 16] };
        // A register of no rows could not even be set to zero.
        let [upper, lower] = rows.map(|rows| rows.max(1) as u8);
        let depth = depth as u8;
        let of = [
            (upper, 64),
            (upper, 64),
            (lower, 64),
            (lower, 64),
            (upper, 4 * depth),
            (lower, 4 * depth),
            (depth, 64),
            (depth, 64),
        ];
        for (index, (rows, columns)) in of.into_iter().enumerate() {
            (shapes.rows[index], shapes.columns[index]) = (rows, u16::from(columns));
        }
        // SAFETY: the processor has the unit, the process may use it, and the shapes are ones that it takes.
        #[allow(unsafe_code, reason = "an instruction for which Rust has no name yet")]
        unsafe {
            asm!("ldtilecfg [{shapes}]", shapes = in(reg) &raw const shapes, options(nostack, preserves_flags, readonly));
        }
        Self { of_thread: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: as above; nothing is left in the registers that anyone reads.
        #[allow(unsafe_code, reason = "as above")]
        unsafe {
            asm!("tilerelease", options(nomem, nostack, preserves_flags));
        }
    }
}
