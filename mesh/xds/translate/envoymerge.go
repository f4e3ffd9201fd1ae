package translate

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/model"
)

// valueOf is a patch's message, new each time.
func valueOf[M any, P interface {
	*M
	proto.Message
}](p *model.EnvoyPatch) P {
	out := P(new(M))
	if err := proto.Unmarshal([]byte(p.Value), out); err != nil {
		panic("a patch that the reader of rules let through is no message: " + err.Error())
	}
	return out
}

// patchList does to a list of named objects what a patch says, and whether it found what it is for. Anchored says that the patch names an object,
// named tells which; last are those before which additions go. A patch that inserts beside an object that it does not name goes to the front
// (INSERT_BEFORE) or to the end, as in Istio.
func patchList[M any, P interface {
	*M
	proto.Message
}](list []P, p *model.EnvoyPatch, anchored bool, named, last func(P) bool) ([]P, bool) {
	at := slices.IndexFunc(list, named)
	end := len(list)
	if last != nil && end > 0 && last(list[end-1]) {
		end--
	}
	switch p.Operation {
	case model.PatchAdd:
		return slices.Insert(slices.Clone(list), end, valueOf[M, P](p)), true
	case model.PatchInsertFirst:
		return slices.Insert(slices.Clone(list), 0, valueOf[M, P](p)), true
	case model.PatchInsertBefore, model.PatchInsertAfter:
		after := p.Operation == model.PatchInsertAfter
		switch {
		case !anchored && after:
			at = end
		case !anchored:
			at = 0
		case at < 0:
			return list, false
		case after:
			at++
		}
		return slices.Insert(slices.Clone(list), at, valueOf[M, P](p)), true
	case model.PatchRemove:
		out := slices.DeleteFunc(slices.Clone(list), named)
		return out, len(out) < len(list)
	case model.PatchReplace:
		if at < 0 {
			return list, false
		}
		out := slices.Clone(list)
		out[at] = valueOf[M, P](p)
		return out, true
	case model.PatchMerge:
		found := false
		for _, m := range list {
			if named(m) && mergeInto(m, valueOf[M, P](p)) {
				found = true
			}
		}
		return list, found
	}
	return list, false
}

// mergeInto merges a message into another of its type, as Istio's MERGE does: what is set replaces what was, lists grow, maps and messages are
// merged, those of extensions too, if they are of one type. Nothing is merged, and the answer is false, if one of these is of another.
func mergeInto(into, from proto.Message) bool {
	if !mergeable(into.ProtoReflect(), from.ProtoReflect()) {
		return false
	}
	mergeMessages(into.ProtoReflect(), from.ProtoReflect())
	return true
}

const anyName = "google.protobuf.Any"

// whole are messages that are replaced and not merged: half of a time is none.
func whole(name protoreflect.FullName) bool { return name.Parent() == "google.protobuf" }

func mergeable(into, from protoreflect.Message) bool {
	ok := true
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() == nil || fd.IsList() || !into.Has(fd) {
			return true
		}
		if fd.IsMap() {
			if fd.MapValue().Message() == nil {
				return true
			}
			v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
				if old := into.Get(fd).Map(); old.Has(k) {
					ok = ok && mergeableValue(old.Get(k).Message(), item.Message())
				}
				return ok
			})
			return ok
		}
		ok = ok && mergeableValue(into.Get(fd).Message(), v.Message())
		return ok
	})
	return ok
}

func mergeableValue(into, from protoreflect.Message) bool {
	if name := from.Descriptor().FullName(); name != anyName {
		return whole(name) || mergeable(into, from)
	}
	a, b := openAny(into), openAny(from)
	return a == nil || b != nil && a.ProtoReflect().Descriptor() == b.ProtoReflect().Descriptor() && mergeable(a.ProtoReflect(), b.ProtoReflect())
}

func openAny(m protoreflect.Message) proto.Message {
	packed, is := m.Interface().(*anypb.Any)
	if !is || packed.GetTypeUrl() == "" {
		return nil
	}
	out, err := packed.UnmarshalNew()
	if err != nil {
		return nil
	}
	return out
}

func mergeMessages(into, from protoreflect.Message) {
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			list := into.Mutable(fd).List()
			for i := range v.List().Len() {
				list.Append(v.List().Get(i))
			}
		case fd.IsMap():
			entries := into.Mutable(fd).Map()
			v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
				if fd.MapValue().Message() != nil && entries.Has(k) {
					item = mergedValue(entries.Get(k).Message(), item.Message())
				}
				entries.Set(k, item)
				return true
			})
		case fd.Message() != nil && into.Has(fd):
			into.Set(fd, mergedValue(into.Get(fd).Message(), v.Message()))
		default:
			into.Set(fd, v)
		}
		return true
	})
}

// mergedValue gives what a message becomes.
func mergedValue(into, from protoreflect.Message) protoreflect.Value {
	name := from.Descriptor().FullName()
	if name == anyName {
		if a, b := openAny(into), openAny(from); a != nil && b != nil {
			mergeMessages(a.ProtoReflect(), b.ProtoReflect())
			return protoreflect.ValueOfMessage(packed(a).ProtoReflect())
		}
	}
	if whole(name) {
		return protoreflect.ValueOfMessage(from)
	}
	mergeMessages(into, from)
	return protoreflect.ValueOfMessage(into)
}
