//! Score's deprecated lists of files and volumes, turned into maps by their `target` before anything else looks.

use crate::source::{Source, Span};
use crate::tree::{Data, Key, Node};
use std::collections::BTreeMap;
use std::rc::Rc;
use tow_record::Violation;

/// The document with every `containers.*.{files,volumes}` a map. Pointers into such a list then go by its targets:
/// `/containers/main/files/~1etc~1app.conf/mode`. Items without a target, or with one that was there before, are
/// refused.
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
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut entries: Vec<(Key, Rc<Node>)> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Data::Map(fields) = &item.data else {
                let message = format!("item {index} is no map");
                let expected = format!("a {what} with a target");
                self.say(index, start(item), "schema/type", message, expected);
                continue;
            };
            // Without a target of its own it goes on by its number, so that what else is wrong in it is told too.
            let key = self.target(index, item, what, &mut seen).unwrap_or_else(|| {
                let text = format!("{}#{index}", self.path);
                Key { text, span: start(item) }
            });
            let rest = fields.iter().filter(|(key, _)| key.text != "target").cloned().collect();
            entries.push((key, Rc::new(Node::new(Data::Map(rest), item.span))));
        }
        Rc::new(Node::new(Data::Map(entries), node.span))
    }

    /// The target of an item, if it is one that no item had before.
    fn target(
        &mut self,
        index: usize,
        item: &Node,
        what: &str,
        seen: &mut BTreeMap<String, Span>,
    ) -> Option<Key> {
        let expected = "a path in the container";
        let Some((_, target)) = item.entry("target") else {
            let message = format!("`target` is missing in this {what}");
            let expected = format!("target: {expected}");
            self.say(index, start(item), "score/target-missing", message, expected);
            return None;
        };
        let Some(path) = target.text() else {
            let message = format!("the target of this {what} is no text");
            self.say(index, start(target), "schema/type", message, expected.into());
            return None;
        };
        if let Some(first) = seen.insert(path.to_string(), target.span) {
            let (line, _) = self.source.position(first.start);
            let message = format!("the target {path:?} is already in line {line}");
            self.say(index, target.span, "score/target-twice", message, "each target once".into());
            return None;
        }
        Some(Key { text: path.to_string(), span: target.span })
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

/// The first character of a value.
fn start(node: &Node) -> Span {
    Span { start: node.span.start, end: node.span.start + 1 }
}
