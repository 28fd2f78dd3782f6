// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A fixed number of elements, each found by an identifier of its own kind.
struct Table<ID: Identifier, Element>: RandomAccessCollection, MutableCollection {
  private var elements: ContiguousArray<Element>

  init(_ elements: some Sequence<Element>) { self.elements = ContiguousArray(elements) }

  var startIndex: ID { ID(index: 0) }
  var endIndex: ID { ID(index: elements.count) }

  subscript(id: ID) -> Element {
    _read { yield elements[id.index] }
    _modify { yield &elements[id.index] }
  }

  /// Unlike the method of collections, it copies no element, which would count references.
  func contains(where isWanted: (Element) -> Bool) -> Bool {
    for index in elements.indices where isWanted(elements[index]) { return true }
    return false
  }

  /// Copies no element either.
  func allSatisfy(_ isWanted: (Element) -> Bool) -> Bool {
    for index in elements.indices where !isWanted(elements[index]) { return false }
    return true
  }
}
