//! What of the kernel a sandboxed program can't reach. Two fences that need no privilege: seccomp refuses calls that no
//! server needs and that escapes are made of, Landlock keeps it to its own ports and its own sockets without a path.
//! Knows nothing of files and folders: these are the view's.

use landlock::{
    Access, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};
use std::collections::BTreeMap;

/// Answered with EPERM: mounts, other namespaces, other processes' memory, the kernel's own code, its keys, its clock.
const REFUSED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_process_madvise,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

/// The same, where only one family of machines has them.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// Answered with ENOSYS, so that libraries take their other way: `clone3` hides its flags in memory, where no filter
/// sees them; io_uring makes calls past every filter.
const NOT_THERE: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// New namespaces, by `clone`'s first argument.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];
/// Writing into the terminal somebody else sits at.
const TERMINAL: [u64; 2] = [0x5412, 0x541c];
/// Families of sockets that reach the kernel's ciphers or the machine below.
const FAMILIES: [i32; 2] = [libc::AF_ALG, libc::AF_VSOCK];

/// Binds this process, and all it starts, for good. Without ports: any, because the network is its own.
pub(super) fn confine(ports: Option<&[u16]>) -> Result<(), String> {
    let told = |err: &dyn std::fmt::Display| format!("cannot confine the program: {err}");
    fence(ports).map_err(|err| told(&err))?;
    for program in programs().map_err(|err| told(&err))? {
        apply_filter(&program).map_err(|err| told(&err))?;
    }
    Ok(())
}

/// Does this kernel keep programs to their own ports? Asked without binding anybody.
pub(crate) fn keeps_ports() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessNet::BindTcp)
        .and_then(Ruleset::create)
        .is_ok()
}

/// Does this kernel keep programs to their own sockets without a path?
pub(crate) fn keeps_names() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::AbstractUnixSocket)
        .and_then(Ruleset::create)
        .is_ok()
}

/// As much of Landlock as this kernel has. Port 0, which is any free one, stays allowed: nobody routes to it.
fn fence(ports: Option<&[u16]>) -> Result<RulesetStatus, landlock::RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(landlock::ABI::V6))?;
    if ports.is_some() {
        rules = rules.handle_access(AccessNet::BindTcp)?;
    }
    let mut rules = rules.create()?;
    for port in ports.into_iter().flat_map(|ports| ports.iter().chain(&[0])) {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let is = |argument, operator, value| {
        SeccompRule::new(vec![SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            operator,
            value,
        )?])
    };
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
    let namespaces = NAMESPACES.iter().map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        is(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    refused.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    let terminal = TERMINAL.iter().map(|request| is(1, SeccompCmpOp::Eq, *request));
    refused.insert(libc::SYS_ioctl, terminal.collect::<Result<_, _>>()?);
    let families =
        FAMILIES.iter().map(|family| is(0, SeccompCmpOp::Eq, u64::from(family.cast_unsigned())));
    refused.insert(libc::SYS_socket, families.collect::<Result<_, _>>()?);
    let absent = NOT_THERE.iter().map(|call| (*call, Vec::new())).collect();
    Ok([program(refused, libc::EPERM)?, program(absent, libc::ENOSYS)?])
}

fn program(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    error: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let filter = SeccompFilter::new(
        calls,
        SeccompAction::Allow,
        SeccompAction::Errno(error.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = other_numbers();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// x86_64 has every call twice: with this bit in its number it is x32's, and a list of numbers would not know it.
fn other_numbers() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    const ENOSYS: u32 = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    if cfg!(target_arch = "x86_64") {
        vec![
            step(0x20, 0, 0, 0),      // load the call's number
            step(0x35, 0, 1, X32),    // at least that?
            step(0x06, 0, 0, ENOSYS), // then: no such call
        ]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_fits_the_kernel() {
        for program in programs().unwrap() {
            assert!(program.len() < 4096, "{} steps", program.len());
        }
    }
}
