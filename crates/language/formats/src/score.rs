//! Score's deprecated lists of files and volumes, turned into maps by their `target` before anything else looks.

use crate::source::{Source, Span};
use crate::tree::{Data, Key, Node};
use std::rc::Rc;
use tow_record::Violation;

/// The document with every `containers.*.{files,volumes}` a map. Pointers into such a list then go by its targets:
/// `/containers/main/files/~1etc~1app.conf/mode`. Items without a target, or with one that was there before, are
/// refused and left out.
pub(crate) fn normalised(
    root: &Rc<Node>,
    source: &Source<'_>,
    out: &mut Vec<Violation>,
) -> Rc<Node> {
    let mut pass = Pass { source, out, path: String::new() };
    pass.entries(root, "containers", &mut |pass, containers| {
        pass.all(containers, &mut |pass, container| {
            let container =
                pass.entries(container, "files", &mut |pass, files| pass.list(files, "file"));
            pass.entries(&container, "volumes", &mut |pass, volumes| pass.list(volumes, "volume"))
        })
    })
}

struct Pass<'a, 's, 't> {
    source: &'a Source<'t>,
    out: &'s mut Vec<Violation>,
    path: String,
}

type Change<'c, 'a, 's, 't> = &'c mut dyn FnMut(&mut Pass<'a, 's, 't>, &Rc<Node>) -> Rc<Node>;

impl<'a, 's, 't> Pass<'a, 's, 't> {
    /// The map with the value under one key changed; the same map where there is no such key.
    fn entries(&mut self, node: &Rc<Node>, key: &str, change: Change<'_, 'a, 's, 't>) -> Rc<Node> {
        self.map(node, &|k| k == key, change)
    }

    fn all(&mut self, node: &Rc<Node>, change: Change<'_, 'a, 's, 't>) -> Rc<Node> {
        self.map(node, &|_| true, change)
    }

    fn map(
        &mut self,
        node: &Rc<Node>,
        which: &dyn Fn(&str) -> bool,
        change: Change<'_, 'a, 's, 't>,
    ) -> Rc<Node> {
        let Data::Map(entries) = &node.data else { return Rc::clone(node) };
        if !entries.iter().any(|(key, _)| which(&key.text)) {
            return Rc::clone(node);
        }
        let entries = entries
            .iter()
            .map(|(key, value)| {
                if !which(&key.text) {
                    return (key.clone(), Rc::clone(value));
                }
                let length = self.path.len();
                self.path = tow_model::pointer(&self.path, &key.text);
                let value = change(self, value);
                self.path.truncate(length);
                (key.clone(), value)
            })
            .collect();
        Rc::new(Node::new(Data::Map(entries), node.span))
    }

    fn list(&mut self, node: &Rc<Node>, what: &str) -> Rc<Node> {
        let Data::List(items) = &node.data else { return Rc::clone(node) };
        let mut seen: std::collections::BTreeMap<&str, Span> = std::collections::BTreeMap::new();
        let mut entries: Vec<(Key, Rc<Node>)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let start = item.span.start;
            let here = Span { start, end: start + 1 };
            let Data::Map(fields) = &item.data else {
                self.say(
                    index,
                    here,
                    "schema/type",
                    format!("item {index} is no map"),
                    format!("a {what} with a target"),
                );
                continue;
            };
            let Some((_, target)) = item.entry("target") else {
                let message = format!("`target` is missing in this {what}");
                self.say(
                    index,
                    here,
                    "schema/missing-field",
                    message,
                    "target: a path in the container".into(),
                );
                continue;
            };
            let Some(path) = target.text() else {
                let message = format!("the target of this {what} is no text");
                self.say(
                    index,
                    target.span,
                    "schema/type",
                    message,
                    "a path in the container".into(),
                );
                continue;
            };
            if let Some(first) = seen.insert(path, target.span) {
                let (line, _) = self.source.position(first.start);
                let message = format!("the target {path:?} is already in line {line}");
                self.say(
                    index,
                    target.span,
                    "score/target-twice",
                    message,
                    "each target once".into(),
                );
                continue;
            }
            let rest = fields.iter().filter(|(key, _)| key.text != "target").cloned().collect();
            let key = Key { text: path.to_string(), span: target.span };
            entries.push((key, Rc::new(Node::new(Data::Map(rest), item.span))));
        }
        Rc::new(Node::new(Data::Map(entries), node.span))
    }

    fn say(&mut self, index: usize, span: Span, code: &str, message: String, expected: String) {
        if self.out.len() > crate::MAX_VIOLATIONS {
            return;
        }
        let mut violation = self.source.violation(span, code, message, expected, None);
        violation.pointer = format!("{}/{index}", self.path);
        self.out.push(violation);
    }
}
