// Code that is compiled once for each instruction set is in an inline namespace with its name. The
// linker keeps one of several equal functions. Without the namespace, code for a new processor
// could replace that for an old one. Types without functions are shared and stay outside.
#pragma once

#ifndef KANML_TARGET
#define KANML_TARGET baseline
#endif
