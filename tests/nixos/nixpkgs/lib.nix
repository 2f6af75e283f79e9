let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatStringsSep
    elem
    filter
    foldl'
    hasAttr
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    replaceStrings
    stringLength
    substring
    typeOf
    ;

  optionals = condition: list: if condition then list else [ ];
  unique = foldl' (found: x: if elem x found then found else found ++ [ x ]) [ ];
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  escapeShellArg = text: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  genAttrs =
    names: value:
    listToAttrs (
      map (name: {
        inherit name;
        value = value name;
      }) names
    );

  # Options and values that modules mark.
  mkOption = option: option // { _type = "option"; };
  isOption = value: isAttrs value && value._type or "" == "option";
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  kind = value: if isAttrs value then value._type or "" else "";

  # The definitions that one marked value stands for, each with its priority.
  definitions =
    value:
    if kind value == "if" then
      optionals value.condition (definitions value.content)
    else if kind value == "merge" then
      concatLists (map definitions value.contents)
    else if kind value == "override" then
      map (inner: inner // { inherit (value) priority; }) (definitions value.content)
    else
      [
        {
          priority = 100;
          inherit value;
        }
      ];

  # Those of the best priority.
  strongest =
    found:
    let
      best = foldl' (a: b: if b.priority < a then b.priority else a) 10000 found;
    in
    map (definition: definition.value) (filter (definition: definition.priority == best) found);

  fail = path: message: throw "option ${concatStringsSep "." path}: ${message}";

  # A type merges the definitions of an option into its value, or throws.
  scalar = name: check: {
    inherit name;
    merge =
      path: values:
      let
        value = head values;
      in
      if !(all (other: other == value) values) then
        fail path "has conflicting definitions"
      else if !check value then
        fail path "is not of type ${name}, but a ${typeOf value}"
      else
        value;
  };

  types = {
    str = scalar "string" isString;
    bool = scalar "boolean" isBool;
    int = scalar "integer" isInt;
    port = scalar "port" (value: isInt value && value >= 0 && value <= 65535);
    package = scalar "package" (value: isAttrs value && hasAttr "outPath" value);
    anything = scalar "anything" (_: true);
    listOf = inner: {
      name = "list of ${inner.name}";
      merge =
        path: values:
        if all isList values then
          map (value: inner.merge path [ value ]) (concatLists values)
        else
          fail path "is not a list";
    };
    attrsOf = inner: {
      name = "attribute set of ${inner.name}";
      merge =
        path: values:
        if !(all isAttrs values) then
          fail path "is not an attribute set"
        else
          mergeAttributes path inner values;
    };
    nullOr = inner: {
      name = "null or ${inner.name}";
      merge = path: values: if all isNull values then null else inner.merge path values;
    };
    submodule = module: {
      name = "submodule";
      merge = path: values: (evaluate path ([ module ] ++ map (config: { inherit config; }) values) { });
    };
  };
  isNull = value: value == null;

  # Attribute sets whose every attribute is an option of one type, without the undefined ones.
  mergeAttributes =
    path: inner: values:
    let
      names = unique (concatLists (map attrNames values));
      found =
        name:
        concatLists (map (value: if hasAttr name value then definitions value.${name} else [ ]) values);
      defined = filter (name: found name != [ ]) names;
    in
    genAttrs defined (name: inner.merge (path ++ [ name ]) (strongest (found name)));

  # The attribute sets that a marked one stands for, with the mark at each attribute: whether a
  # condition holds may depend on options of the very set that it stands before.
  pushDown =
    value:
    if kind value == "if" then
      map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if kind value == "merge" then
      concatLists (map pushDown value.contents)
    else if kind value == "override" then
      map (mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  # One level of the tree of options: what is declared below `path`, and what is defined there.
  resolve =
    path: declared: given:
    let
      sets = concatLists (map pushDown given);
      names = unique (concatLists (map attrNames declared));
      unknown = filter (name: !(elem name names)) (unique (concatLists (map attrNames sets)));
      below = name: concatLists (map (set: if hasAttr name set then [ set.${name} ] else [ ]) sets);
      value =
        name:
        let
          here = path ++ [ name ];
          declarations = concatLists (map (set: if hasAttr name set then [ set.${name} ] else [ ]) declared);
          option = head declarations;
          found = concatLists (map definitions (below name));
          all' = found ++ optionals (option ? default) (definitions (mkOverride 1500 option.default));
        in
        if isOption option then
          if length declarations > 1 then
            fail here "is declared twice"
          else if all' == [ ] then
            fail here "is used but not defined"
          else
            option.type.merge here (strongest all')
        else
          resolve here declarations (below name);
    in
    if unknown != [ ] then
      fail (path ++ [ (head unknown) ]) "does not exist"
    else
      genAttrs names value;

  evaluate =
    path: modules: arguments:
    let
      collect =
        module:
        let
          loaded = if isFunction module then module (arguments // { inherit config; }) else module;
          structured = loaded ? options || loaded ? config || loaded ? imports;
        in
        concatLists (map collect (loaded.imports or [ ]))
        ++ [
          {
            options = loaded.options or { };
            config = loaded.config or (if structured then { } else loaded);
          }
        ];
      loaded = concatLists (map collect modules);
      config = resolve path (map (module: module.options) loaded) (map (module: module.config) loaded);
    in
    config;

  lib = {
    inherit
      concatStringsSep
      escapeShellArg
      genAttrs
      hasPrefix
      mkIf
      mkMerge
      mkOption
      optionals
      types
      unique
      ;
    mkDefault = mkOverride 1000;
    mkEnableOption =
      what:
      mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    escapeShellArgs = arguments: concatStringsSep " " (map escapeShellArg arguments);
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    evalModules =
      {
        modules,
        specialArgs ? { },
      }:
      {
        config = evaluate [ ] modules specialArgs;
      };
    licenses = genAttrs [ "mit" "asl20" ] (spdxId: { inherit spdxId; });
    platforms.unix = [ ];
    # The real one copies the union; here each has to exist, which is what can go wrong.
    fileset = {
      unions =
        paths: map (path: if builtins.pathExists path then path else throw "no ${toString path}") paths;
      toSource = { root, fileset }: builtins.seq (length fileset) root;
    };
    hm.dag.entryAfter = after: data: { inherit after data; };
  };
in
lib
