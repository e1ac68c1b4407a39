"""Spiking networks: conversion from rates, the number of substeps, fine-tuning."""
