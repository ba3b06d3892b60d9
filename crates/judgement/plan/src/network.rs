//! Whether a program in a sandbox needs a network of its own, because it listens on a fixed port; and what keeps it from
//! having one. How such a network is made is the runtime's.

use crate::admit::escape;
use crate::{Delivered, meaning};
use tow_model::{Invalid, kinds::workload::Workload};
use tow_record::{Can, Isolation, RuntimeFacts};

/// Does the program say where it always listens? In a sandbox it gets a network of its own for that; who says no
/// `targetPort` reads PORT, and shares the machine's.
pub(crate) fn has_fixed_ports(score: &Workload, delivered: &Delivered) -> bool {
    let means = meaning(delivered.kind);
    let mut ports = score.service.iter().flat_map(|service| service.ports.values());
    !means.served && !means.runs && ports.any(|port| port.target_port.is_some())
}

/// A program in a sandbox that listens on a fixed port needs a network of its own.
pub(crate) fn refusals(
    score: &Workload,
    delivered: &Delivered,
    facts: &RuntimeFacts,
    found: &mut Vec<Invalid>,
) {
    // What can't run at all has been told so, and its network is no news.
    let judged = facts.isolation == Isolation::Sandbox && facts.unavailable.is_none();
    if !judged || !has_fixed_ports(score, delivered) {
        return;
    }
    let (what, hint) = if !facts.can(Can::OwnNetwork) {
        (
            "a program that listens on a fixed port needs a network of its own, and sandboxes of this machine have none",
            "a program that reads PORT needs no targetPort; for the others, tow doctor says what is missing under machine.own-network",
        )
    } else if score.containers.len() > 1 && !facts.can(Can::PodNetwork) {
        (
            "a program that listens on a fixed port needs a network of its own, which the containers of one pod can't share in sandboxes",
            "programs that read PORT need no targetPort, and reach each other by PORT_NAME; a runtime of type container shares a network",
        )
    } else {
        return;
    };
    let declared = score.service.iter().flat_map(|service| &service.ports);
    for (name, _) in declared.filter(|(_, port)| port.target_port.is_some()) {
        found.push(
            Invalid::new(
                format!("/service/ports/{}/targetPort", escape(name)),
                "plan/own-network",
                what,
                "no targetPort, or a runtime that gives the program a network of its own",
            )
            .hint(hint),
        );
    }
}
